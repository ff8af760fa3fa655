//! A report as it is read: what it is about, what was found, and tables; as text and as a page that
//! stands by itself. Does not know what is reported.

use std::io::{self, Write};

use crate::audit::html::Html;
use crate::cli::grid::{Grid, column, wrap};
use crate::cli::output::clean;

/// Columns of a sheet. Those that say nothing are left out.
const COLUMNS: usize = 8;

/// The page takes nothing from elsewhere, and says so to the browser.
const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<meta name=\"viewport\" content=\"width=device-width\">
<style>
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;max-width:80em;margin:auto;padding:1em}
div{overflow-x:auto}
table{border-collapse:collapse;margin:.5em 0}
th,td{text-align:left;vertical-align:top;padding:.15em .8em .15em 0;border-bottom:1px solid #8886}
td{overflow-wrap:anywhere}
@media print{body{font-size:9pt;max-width:none}tr{break-inside:avoid}h2{break-after:avoid}}
</style>
<title>";

/// A report.
#[derive(Debug, Default)]
pub(super) struct Paper {
    pub(super) title: String,
    /// What it is about: names and what they stand for.
    pub(super) facts: Vec<[String; 2]>,
    /// What was found, in sentences.
    pub(super) found: Vec<String>,
    pub(super) sheets: Vec<Sheet>,
}

/// A table with a title.
#[derive(Debug)]
pub(super) struct Sheet {
    title: String,
    /// A sentence below the title; empty: none.
    said: String,
    heads: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

/// How text is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Columns of the terminal; `None`: no terminal reads it.
    pub(super) width: Option<usize>,
    pub(super) colours: bool,
}

impl Sheet {
    pub(super) fn new<const N: usize>(
        title: impl Into<String>,
        heads: [&'static str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Self {
        let padded = |cells: [String; N]| {
            let mut cells = cells.into_iter();
            std::array::from_fn(|_| cells.next().unwrap_or_default())
        };
        Self {
            title: title.into(),
            said: String::new(),
            heads: std::array::from_fn(|place| heads.get(place).copied().unwrap_or_default()),
            rows: rows.into_iter().map(padded).collect(),
        }
    }

    pub(super) fn saying(mut self, said: impl Into<String>) -> Self {
        self.said = said.into();
        self
    }

    /// Whether it has neither rows nor anything to say.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.said.is_empty()
    }
}

impl Paper {
    /// Adds a sheet, where it says anything.
    pub(super) fn add(&mut self, sheet: Sheet) {
        if !sheet.is_empty() {
            self.sheets.push(sheet);
        }
    }

    /// Writes it as text.
    pub(super) fn write_text(&self, out: &mut impl Write, look: Look) -> io::Result<()> {
        write_title(out, &self.title, look)?;
        let mut facts = Grid::new([column(""), column("").wrap()]);
        self.facts.iter().for_each(|fact| facts.row(fact.clone()));
        facts.write(out, look.width)?;
        writeln!(out)?;
        self.found.iter().try_for_each(|sentence| write_sentence(out, sentence, look))?;
        for sheet in &self.sheets {
            writeln!(out)?;
            write_title(out, &sheet.title, look)?;
            if !sheet.said.is_empty() {
                write_sentence(out, &sheet.said, look)?;
            }
            let mut grid = Grid::new(sheet.heads.map(|head| column(head).optional().wrap()));
            sheet.rows.iter().for_each(|row| grid.row(row.clone()));
            grid.write(out, look.width)?;
        }
        Ok(())
    }

    /// It as a page: one file that needs no other one.
    pub(super) fn html(&self) -> String {
        let mut html = Html::default();
        html.raw(HEAD).text(&self.title).raw("</title>\n</head>\n<body>\n<h1>");
        html.text(&self.title).raw("</h1>\n").table([""; 2], &self.facts);
        for sentence in &self.found {
            html.raw("<p>").text(sentence).raw("</p>\n");
        }
        for sheet in &self.sheets {
            html.raw("<h2>").text(&sheet.title).raw("</h2>\n");
            if !sheet.said.is_empty() {
                html.raw("<p>").text(&sheet.said).raw("</p>\n");
            }
            html.table(sheet.heads, &sheet.rows);
        }
        html.raw("</body>\n</html>\n");
        html.into_string()
    }
}

fn write_title(out: &mut impl Write, title: &str, look: Look) -> io::Result<()> {
    let [on, off] = if look.colours { ["\u{1b}[1m", "\u{1b}[0m"] } else { [""; 2] };
    let lines = wrap(&clean(title), look.width.unwrap_or(usize::MAX));
    lines.iter().try_for_each(|line| writeln!(out, "{on}{line}{off}"))
}

fn write_sentence(out: &mut impl Write, sentence: &str, look: Look) -> io::Result<()> {
    let lines = wrap(&clean(sentence), look.width.unwrap_or(usize::MAX));
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::grid::columns_of;

    fn paper() -> Paper {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let rows = [row(["lines[10].picked", "4", ""]), row(["<b>", "\u{1b}[1m", ""])];
        let mut paper = Paper {
            title: "erp/<b>7</b>  what was known".into(),
            facts: vec![["known then".to_owned(), "entries below offset 3".to_owned()]],
            found: vec!["2 fields differ.".into()],
            sheets: Vec::new(),
        };
        paper.add(Sheet::new("differences", ["FIELD", "THEN", "NEVER"], rows).saying("and more"));
        paper.add(Sheet::new("nothing", ["A"], []));
        paper
    }

    fn text(width: Option<usize>) -> String {
        let mut out = Vec::new();
        paper().write_text(&mut out, Look { width, colours: false }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_paper_is_read_from_its_title_to_its_tables() {
        let expected = "\
erp/<b>7</b>  what was known
known then  entries below offset 3

2 fields differ.

differences
and more
FIELD             THEN
lines[10].picked  4
<b>               \u{fffd}[1m
";
        assert_eq!(text(None), expected);
        for width in [20, 40, 80] {
            for line in text(Some(width)).lines() {
                assert!(columns_of(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_page_stands_by_itself_and_shows_markup_as_text() {
        let page = paper().html();
        assert!(page.starts_with("<!doctype html>\n") && page.ends_with("</html>\n"), "{page}");
        assert!(page.contains("<title>erp/&lt;b&gt;7&lt;/b&gt;  what was known</title>"), "{page}");
        assert!(page.contains("<td>&lt;b&gt;<td>\u{fffd}[1m"), "{page}");
        for outside in ["http:", "https:", "src=", "href=", "url(", "<script", "@import", "<b>"] {
            assert!(!page.contains(outside), "{outside} in {page}");
        }
        for pair in ["html", "head", "body", "title", "style", "h1", "h2", "p", "table", "div"] {
            let count = |tag: &str| page.matches(tag).count();
            let opened = count(&format!("<{pair}>")) + count(&format!("<{pair} "));
            assert_eq!(opened, count(&format!("</{pair}>")), "{pair}");
        }
        assert!(!page.contains("nothing") && !page.contains("NEVER"), "{page}");
    }
}
