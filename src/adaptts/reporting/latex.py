"""The report's tables for a paper in LaTeX: needs the package booktabs alone."""

from adaptts.reporting.tables import Cell, Column, Grid

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_\allowbreak{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': r"{\ttfamily\char34}",  # the text fonts of LaTeX's default encoding lack it
    "-": "-{}",  # two or three in a row would join to a dash
    "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "–": "--", "—": "---", "−": r"$-$", "≈": r"$\approx$", "×": r"$\times$", "λ": r"$\lambda$",
    "↓": r"$\downarrow$", "↑": r"$\uparrow$", "…": r"\dots{}",
    "\u00a0": "~", "\u202f": r"\,",
}  # fmt: skip


def table(grid: Grid) -> str:
    """The grid as a `table*` environment with a label; bold is best or apart, ≈ a tie.

    It may take both columns of a page. Intervals and other small lines stand below each figure.
    Texts appear as they are; letters beyond ASCII need a current LaTeX, and those of other scripts
    XeLaTeX or LuaLaTeX and a font.
    """
    body: list[str] = []
    for number, group in enumerate(grid.groups):
        body += [r"\midrule"] if number else []
        for row in group.rows:
            name = escape(row.name)
            lines = [_figures(cell) for cell in row.cells]
            depth = max((len(each) for each in lines), default=1)
            for level in range(depth):
                cells = [each[level] if level < len(each) else "" for each in lines]
                body.append(" & ".join([name if level == 0 else "", *cells]) + r" \\")
    kind = "l" if grid.kind == "prose" else "r"
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table*}",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{escape(grid.caption)}}}",
            rf"\label{{tab:{grid.name}}}",
            rf"\begin{{tabular}}{{l{kind * (len(grid.columns) - 1)}}}",
            r"\toprule",
            " & ".join([escape(grid.columns[0].title), *map(_head, grid.columns[1:])]) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def escape(text: str) -> str:
    """Text that LaTeX sets as it is, on one line."""
    return "".join(_SPECIAL.get(letter, letter) if letter >= " " else " " for letter in text)


def _head(column: Column) -> str:
    """A head as narrow as its longest word; columns are of figures."""
    lines = [escape(word) for word in column.title.split(" ")]
    lines += [rf"{{\scriptsize {escape(column.unit)}}}"] if column.unit else []
    return r"\shortstack[r]{" + r"\\".join(lines) + "}"


def _figures(cell: Cell) -> list[str]:
    text = escape(cell.text)
    marked = {
        "best": rf"\textbf{{{text}}}",
        "apart": rf"\textbf{{{text}}}",
        "tie": rf"$\approx$\,{text}",
    }
    small = [*cell.lines, *([cell.warning] if cell.warning else [])]
    return [marked.get(cell.mark, text), *[rf"{{\scriptsize {escape(line)}}}" for line in small]]
