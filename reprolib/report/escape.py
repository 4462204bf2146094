"""The one door through which foreign text (titles, reviews, names) becomes HTML, Markdown or LaTeX."""

import html
import re
import unicodedata

LATEX = str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "[": "{[}",  # a row that begins with [ or * would be an argument of the line break before it
        "]": "{]}",
        "*": "{*}",
    }
)
SYMBOLS = {
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "—": "---",
    "–": "--",
}
MARKDOWN = re.compile(r"([\\`*_\[\]|!~^$])")


def one_line(text: object) -> str:
    """The text without line breaks (U+2028 too) and control characters, each of which becomes a space."""
    characters = (
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in str(text)
    )
    return "".join(characters)


def to_html(text: object) -> str:
    """Text that a browser shows as it is."""
    return html.escape(one_line(text))


def to_markdown(text: object) -> str:
    """Text that Markdown, also in a table, shows as it is: no tag, no link, no picture, no emphasis."""
    escaped = html.escape(one_line(text), quote=False)
    return MARKDOWN.sub(r"\\\1", escaped)


def to_latex(text: object) -> str:
    """Text that LaTeX, also in a table, shows as it is."""
    escaped = one_line(text).translate(LATEX)
    for symbol, command in SYMBOLS.items():
        escaped = escaped.replace(symbol, command)
    return escaped
