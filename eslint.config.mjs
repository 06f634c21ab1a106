import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: [
      '**/dist/',
      'docs/site/dist/',
      'node_modules/',
      'coverage/',
      '**/*.cjs',
      '**/*.mjs',
      '.tmp-*/',
      'test/partners/',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/unified-signatures': 'off',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      'no-restricted-globals': [
        'error',
        { name: 'setTimeout', message: 'Use the Runtime (src/base/runtime.ts).' },
        { name: 'setInterval', message: 'Use the Runtime (src/base/runtime.ts).' },
        { name: 'clearTimeout', message: 'Use the Runtime (src/base/runtime.ts).' },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'Use the Runtime (src/base/runtime.ts).' },
        { object: 'Math', property: 'random', message: 'Use the Runtime (src/base/runtime.ts).' },
        { object: 'performance', property: 'now', message: 'Use the Runtime (src/base/runtime.ts).' },
      ],
    },
  },
  {
    files: ['packages/zookeeper/src/runtime/runtime.ts'],
    rules: { 'no-restricted-globals': 'off', 'no-restricted-properties': 'off' },
  },
  {
    files: ['**/*.test.ts', 'test/**', 'bench/**', '**/testing/**', '*.config.ts'],
    rules: {
      'no-restricted-globals': 'off',
      'no-restricted-properties': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },
  {
    // The Kubernetes client's classes are descriptions of shapes; its own examples pass literals.
    files: ['test/kubernetes/**'],
    rules: { '@typescript-eslint/no-unsafe-class-instance-assignment': 'off' },
  },
);
