#!/usr/bin/env python3
"""Prints what PyYAML's safe loader makes of some 1,800 documents, as JSON: single scalars, small documents, and a real
configuration with one or two accidents in it (always the same ones).  Usage: yaml_documents.py CONFIGURATION"""
import json
import math
import random
import sys

import yaml

# Each becomes the value of a key.
VALUES = [
    'yes', 'no', 'On', 'oFF', 'TRUE', 'tRUE', 'y', 'n', '~', 'null', 'Null', 'nUll', '', '0b101', '0b', '0x1f', '0x',
    '0x_', '017', '08', '018', '0o17', '1_000', '_1', '1__0', '1_', '+5', '-0', '+0', '-017', '190:20:30', '1:30',
    '-1:30', '1:99', '0:30', '01:30', '1:3', '10.', '.5', '1.0', '1.5e+3', '1.5E-3', '1_0.5', '1:30.5', '.inf',
    '-.INF', '+.inf', '.Inf', '.iNF', '.nan', '.NaN', '.Nan', '1.', '1e3', '1.5e3', '.', '.e1', '..', '+.5', '-.5',
    '-1.', '+1.5', '1._', '_.5', '0.', '00', '0_', '0b_1', '-0b1', '-0x1F', '+0x1', '2024-01-31', '2024-1-31',
    '2024-01-31T10:00:00Z', '2024-01-31 10:00:00', '2024-01-31 10:00:00.5 +2', '2024-13-31', '2024-02-31',
    '2024-1-1 1:00:00', '=', '<<', '<', '!', '!foo x', '!!int "5"', '!!int "a"', '!!float 10', '!!float "x"',
    '!!str 5', '!!bool yes', '!!bool x', '!!null x', '!!binary aGk=', '!!binary "*"', '!!set {a, b}', '!!omap [a: 1]',
    '!!timestamp 2024-01-01', '!!seq [a]', '!!map {a: 1}', '!!python/none', '!!pairs [a: 1]', '!!str', '!!str [a]',
    '!!int [1]', '? a', '- a', '-', '--', '-a', '- - a', '[]', '{}', '[a,b]', '{a: b}', '{a}', '[a: b]', '[a,]',
    '{a,}', '{a: ,b: }', '"x"', "'x'", '"a\\qb"', '"a\\x41"', '"\\u00e9"', '"a\\/b"', '`x`', '@x', '%x', 'a%b',
    '&a x', '*a', '&a [x]', 'a: b', 'a#b', 'a #b', '#b', '5#c', '|\n  x', '>\n  x\n  y', '|-\n  x', '>+\n  x\n',
    '"a\n  b"', 'x\n  y', '"1"', '12345678901234567890', '9007199254740993', '0.1', '1e+3', '1.e+3', '1.0e+', '099',
    '0.1.2', '1.2.3.4', '::1', '[::1]', 'a:b', 'http://x:1/y', 'x: ', '"unterminated', "'it''s'", '\xe9', '\t5',
    '5\t', 'null x', '!!float .inf', '!!float 1:30', '!!int 0x1f', '!!int 1_0', '!!bool "Yes"', '1:30:60', '1:60',
    '60:1', '0:0.5', '1:2:3.4', '%(X)', 'a\tb', '"\\\n  x"', '{a: 1, a: 2}', '{1: 2}', '{1: 2, "1": 3}', '{true: 1}',
    '{~: 1}', '{1.5: 1}', '{[a]: 1}', '{2024-01-01: x}', '{? a : b}', '[? a : b]', '{<<: {a: 1}, b: 2}',
    '{a: 9, <<: {a: 1}}', '{<<: [{a: 1},{a: 2}]}', '{<<: x}', '{<<: [x]}', '{"<<": {a: 1}}', '{=: 1}',
    '{__proto__: 1}', '{constructor: 1}', '{toString: 1}', '{__proto__: {a: 1}}', '{"a b": 1}',
    '{a: {b: [1, {c: d}]}}', '{a:1}', '{"a":1}', '[a, [b, c], {d: e}]',
]

DOCUMENTS = [
    '', '---\n', '---\na: 1\n', '%YAML 1.1\n---\na: yes\n', '%YAML 1.2\n---\na: yes\n', '%YAML 2.0\n---\na: 1\n',
    '%TAG ! tag:x,2000:\n---\na: 1\n', '%FOO\n---\na: 1\n', 'a: 1\n---\nb: 1\n', 'a: 1\n...\n', 'a: 1\n...\nb: 2\n',
    '---\n---\n', 'a: 1\n---\n', '...\n', '# only\n', 'a: 1\n b: 2\n', 'a:\n\t- x\n', 'a:\n- x\n',
    'a:\n - x\n  - y\n', 'a: 1\na: 2\n', 'x: &a {b: 1}\ny:\n  <<: *a\n  c: 2\n',
    'x: &a {b: 1}\nz: &d {b: 2, e: 3}\ny:\n  <<: [*a, *d]\n', 'x: &a {b: 1}\ny:\n  b: 5\n  <<: *a\n',
    'x: &a {b: 1}\ny:\n  <<: *a\n  b: 5\n', 'y: *a\n', 'a: &x 1\nb: &x 2\nc: *x\n', 'a: &x [*x]\n',
    'a: &x 1\n*x : 2\n', '? [a]\n: b\n', '? {a: b}\n: c\n', '? a\n: b\n', '- a\n- b\n', 'x\n', '5\n', 'a: b: c\n',
    'a: "b" c\n', 'a: [b\n', 'a: {b: c\n', 'a: "b\n', '\ufeffa: 1\n', 'a: 1\r\nb: 2\r\n', 'a: \x00\n', 'a: "\x07"\n',
    'a: x\x85y\n', 'a: |\n  x\n y\n', 'a: |2\n    x\n', 'a: |x\n  y\n', 'a: >-\n  x\n\n  y\n', 'a: !!str\n  b\n',
    'a:   # comment\n  b: 1\n', '"a": 1\n"b":2\n', 'a : 1\n', ' a: 1\n b: 2\n', 'a: 1\n  # c\nb: 2\n', 'a: -\n',
    'a: - b\n', 'a: ?\n', 'a: ? b\n', 'a: :\n', 'a: ,\n', 'a: ]\n', 'a: }\n', '[a: 1\n]\n', '{a: 1}\n{b: 1}\n',
    'a:\n  b\n  c: d\n', 'a: b\n  c: d\n', 'a: *\n', 'a: &\n', 'a: & b\n', '!!map\na: 1\n', '&x\na: 1\n',
    '--- {a: 1}\n', '--- |\n x\n', '---a: 1\n', 'a: 1 ---\n', 'a:\n  - b: 1\n    c: 2\n  -\n    d: 3\n',
    'a:\n  - - x\n    - y\n', '<<: {a: 1}\n', 'a: <<\n', '- <<\n', 'k: [=]\n', 'k: [<<]\n',
    'a: &x {b: 1}\nc: {<<: *x, <<: {d: 1}}\n',
    'a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n',
    '"k\\x31": 1\n', 'k: "a\\\tb"\n', 'k: "\\e\\0\\a\\_\\N\\L\\P"\n', 'a: x y : z\n', 'a: x: y\n', '[a,b]: c\n',
    'a: !<tag:yaml.org,2002:str> 5\n', 'a: !<x> 5\n', 'a: ! 5\n', 'a: ! yes\n', 'a: !!float 5\n', 'a: !!int 5.5\n',
    'a: !!int yes\n', 'a: !!bool 1\n', 'a: !!null ""\n', 'a: 1\n# %YAML 1.1\n', 'a: "x"#y\n', 'a: [x]#y\n',
    'a: "x" #y\n', 'k:\n  "a":b\n', 'k: [a,b,,c]\n', 'k: [,a]\n', 'k: {a: 1,, b: 2}\n', 'k: [a b, c d]\n',
    'k: [a\n  b]\n', 'k: [\na\n]\n', 'k: {\na: 1\n}\n', 'k: [\n]\n', 'k: {a\n}\n', '- a: 1\n- b\n', 'k: ["a":1]\n',
    'k: ["a" : 1]\n', 'k: [a:1]\n', 'k: {a: [}\n',
]

SPLINTERS = list(' :-#[]{}\'"&*!|>%@`,?\n\t=~.0a\xe9') + ['  ', '\n  ', '- ', ': ', '<<: ', 'yes', '1:30']


def accidents(base, count):
    dice = random.Random(5)
    for _ in range(count):
        text = base
        for _ in range(dice.randint(1, 2)):
            at, kind = dice.randrange(len(text)), dice.random()
            if kind < .5:
                text = text[:at] + dice.choice(SPLINTERS) + text[at:]
            elif kind < .8:
                text = text[:at] + text[at + dice.randint(1, 3):]
            else:
                text = text[:at] + dice.choice(SPLINTERS) + text[at + 1:]
        yield text


def plain(value):
    """A form in which integers and floats, and keys of all types, stay apart."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return {'bool': value}
    if isinstance(value, int):
        return {'int': float(value)}
    if isinstance(value, float):
        return {'float': 'nan' if math.isnan(value) else repr(value).replace('inf', 'Infinity')}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        # Keys that are no strings only have to be there.
        strings = sorted([key, plain(item)] for key, item in value.items() if isinstance(key, str))
        return {'map': strings, 'others': any(not isinstance(key, str) for key in value)}
    return {'other': True}


def outcome(text):
    try:
        return {'value': plain(yaml.safe_load(text))}
    except Exception as error:  # its constructors raise whatever comes
        return {'error': type(error).__name__}


def main():
    with open(sys.argv[1], encoding='utf-8') as file:
        base = file.read() + 'zookeeper-timeout: 10.0\ndiskimages:\n  - name: x\n    env-vars: {A: "1"}\n'
    texts = [f'k: {value}\n' for value in VALUES] + DOCUMENTS + list(accidents(base, 1500))
    json.dump([{'text': text, **outcome(text)} for text in texts], sys.stdout)


if __name__ == '__main__':
    main()
