"""How dense the code is: a row of measures for each folder or package of Python sources, and for notebooks and README

    python bench/style.py clothing_classifier nbs README.md .venv/lib/python3*/site-packages/{fastcore,nbdev,ghapi}

Nodes are expressions in a function's body, constants left out. A docment is a fragment if it begins with a word like
"of" or "that", so that it cannot be read without the name of its parameter.
"""
import ast
import json
import re
import statistics
import sys
from pathlib import Path

FRAGMENT = re.compile(r'^(of|that|for|to|in|from|whose|with|where|at|on|by|gets|holds|is|as|if|which|who|may)\b', re.I)
DOCMENT = re.compile(r'^\s+\**\w+\s*(?::[^#=]+)?(?:=[^#]*)?,?\s*#\s*(.+)$')


def functions(tree): return [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]


def nodes(function):
    "Expressions in the body, its docstring left out"
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    body = function.body[1:] if has_docstring else function.body
    inside = [n for statement in body for n in ast.walk(statement)]
    return sum(isinstance(n, ast.expr) and not isinstance(n, ast.Constant) for n in inside)


def names(function):
    "Parameters and other names that are bound in a function"
    args = function.args
    own = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs) if a.arg not in ('self', 'cls')]
    return own + list({n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)})


def docments(text, function):
    head = text.splitlines()[function.lineno-1:function.body[0].lineno-1]
    return [m[1] for line in head if (m := DOCMENT.match(line))]


def share(part, whole): return f'{100*sum(part)/max(len(whole), 1):.1f} %'


def of_sources(folder):
    "Measures of all `.py` files below a folder"
    files = [p for p in sorted(folder.rglob('*.py')) if '_modidx' not in p.name]
    texts = [p.read_text(encoding='utf-8') for p in files]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    found = [(text, f) for text in texts for f in functions(ast.parse(text))]
    lengths = sorted(f.end_lineno - f.body[0].lineno + 1 for _, f in found)
    density = sorted(nodes(f) for _, f in found)
    bound = [name for _, f in found for name in names(f)]
    comments = [o for text, f in found for o in docments(text, f)]
    p90 = int(.9*len(found))
    return dict(functions=len(found),
        lines=f'{statistics.median(lengths):.0f} / {lengths[p90]}',
        nodes=f'{statistics.median(density):.0f} / {density[p90]}',
        over_120_columns=share([len(o) > 120 for o in lines], lines),
        one_letter_names=share([len(o) == 1 for o in bound], bound),
        fragments=share([bool(FRAGMENT.match(o)) for o in comments], comments))


def of_notebooks(folder):
    "Measures of exported cells"
    cells = [c for p in sorted(folder.glob('*.ipynb')) for c in json.loads(p.read_text(encoding='utf-8'))['cells']]
    code = [''.join(c['source']) for c in cells if c['cell_type'] == 'code']
    exported = [o for o in code if o.startswith('#| export')]
    asserts = sum(len(re.findall(r'^\s*(?:assert\b|test_\w+\()', o, re.M)) for o in code)
    lengths = [len([line for line in o.splitlines()[1:] if line.strip()]) for o in exported]
    return dict(exported_cells=len(exported), lines=f'{statistics.median(lengths):.0f}',
        assertions_a_cell=f'{asserts/len(exported):.2f}')


def of_text(file):
    text = file.read_text(encoding='utf-8')
    words = re.findall(r'[A-Za-z][\w\'-]+', text)
    numbers = re.findall(r'(?<![\w.])\d[\d.,]*', text)
    return dict(words=len(words), numbers_per_100_words=f'{100*len(numbers)/len(words):.1f}')


def main():
    for name in sys.argv[1:] or ('clothing_classifier', 'nbs', 'README.md'):
        path = Path(name)
        measure = of_text if path.is_file() else of_notebooks if any(path.glob('*.ipynb')) else of_sources
        print(f'{path.name}:', ', '.join(f'{k.replace("_", " ")} {v}' for k, v in measure(path).items()))


if __name__ == '__main__': main()
