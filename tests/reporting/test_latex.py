import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fabricated import EFFECTS, SPEAKERS, TEXTS

from adaptts.reporting import latex, tables
from adaptts.reporting.report import Report
from adaptts.reporting.tables import Cell, Column, Grid, Group, Row

HOSTILE = ["50 % of_$x^2 & #1 {a}\\b~", "<b>\"q\" 'r' `s`</b> | -- ---", "line\nbreak", TEXTS[1]]


def grid(*texts: str) -> Grid:
    rows = [Row(text, [Cell("1.0", ["0.9–1.1"], "best")]) for text in texts]
    return Grid("Any & all", [Column("Arm"), Column("Mel distortion", "%")],
                [Group("", rows)], name="any")  # fmt: skip


def test_the_best_is_bold_with_its_interval_below_and_ties_are_marked(report: Report) -> None:
    text = latex.table(tables.headline(report.results, report.comparison))
    assert r"\textbf{2.45}" in text
    assert r"$\approx$\,13.3" in text
    assert re.search(r"\n & .*\{\\scriptsize 2\.\d\d--2\.\d\d\}.* \\\\\n", text)
    assert all(arm.replace("_", r"\_\allowbreak{}") in text for arm in EFFECTS)


def test_every_line_has_as_many_cells_as_the_head(report: Report) -> None:
    text = latex.table(tables.headline(report.results, report.comparison))
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")].splitlines()
    rows = [line for line in body if line.endswith(r"\\")]
    columns = len(report.comparison.metrics(main=True)) + 1
    assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {columns - 1}


@pytest.mark.parametrize("text", [*HOSTILE, *SPEAKERS])
def test_no_letter_of_a_text_is_a_command(text: str) -> None:
    written = latex.escape(text)
    assert "\n" not in written
    # Whatever is left after known commands and escapes holds nothing that LaTeX acts on.
    left = re.sub(r"\\[A-Za-z]+(\{\})?|\\[\\{}$&#%_,]|\{\\ttfamily\\char34\}|\$[^$]*\$|\{\}", "",
                  written)  # fmt: skip
    assert not set(left) & set('\\{}$&#%_^<>|"')


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex on the PATH")
def test_latex_sets_the_tables_with_booktabs_alone(written: Path, tmp_path: Path) -> None:
    (tmp_path / "hostile.tex").write_text(latex.table(grid(*HOSTILE[:3])), encoding="utf-8")
    files = [*sorted((written / "tables").glob("*.tex")), tmp_path / "hostile.tex"]
    methods = (written / "methods/methods.tex").read_text(encoding="utf-8")
    # The fonts of pdflatex have no Hebrew.
    (tmp_path / "methods.tex").write_text(methods.replace(SPEAKERS[2], ""), encoding="utf-8")
    inputs = [rf"\input{{{path.as_posix()}}}" for path in [*files, tmp_path / "methods.tex"]]
    head = [r"\documentclass{article}", r"\usepackage{booktabs}", r"\begin{document}"]
    (tmp_path / "paper.tex").write_text("\n".join([*head, *inputs, r"\end{document}"]))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
