// Types are taken out file by file; they are checked elsewhere (npm run check:types).
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const compilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  inlineSourceMap: true,
};

// Workspace packages are taken from their source as well.
export function resolve(specifier, context, next) {
  return next(specifier, { ...context, conditions: [...context.conditions, 'source'] });
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  const fileName = fileURLToPath(url);
  const source = ts.transpileModule(await readFile(fileName, 'utf8'), { fileName, compilerOptions }).outputText;
  return { format: 'module', source, shortCircuit: true };
}
