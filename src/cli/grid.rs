//! Tables for people that fit into their terminal. Does not know what stands in them.
//!
//! Where nothing says how wide they may be, as in a pipe, every row is one line. Otherwise columns
//! that can wrap do so, then columns that can be spared are left out, and what is still too wide is
//! cut with an ellipsis.

use std::io::{self, Write};

use super::output::clean;

/// Columns that wrap are no narrower than this, as long as another one can be left out.
const WRAPPED_WIDTH: usize = 14;
/// And no narrower than this at all.
const WRAPPED_WIDTH_MIN: usize = 6;
/// Spaces between columns.
const GAP: usize = 2;

/// A column: its name, and what becomes of it where the table is too wide.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    name: &'static str,
    right: bool,
    fit: Fit,
    /// It is left out where it is empty in every row.
    optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Whole,
    Wrap,
    Spare,
}

/// A column that is never wrapped.
pub(super) const fn column(name: &'static str) -> Column {
    Column { name, right: false, fit: Fit::Whole, optional: false }
}

impl Column {
    pub(super) const fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// Long texts go on in the next line.
    pub(super) const fn wrap(mut self) -> Self {
        self.fit = Fit::Wrap;
        self
    }

    /// Left out where there is no room; the last one of them first.
    pub(super) const fn spare(mut self) -> Self {
        self.fit = Fit::Spare;
        self
    }

    /// Left out where it is empty in every row.
    pub(super) const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

/// A table that is filled row by row, and then written.
#[derive(Debug)]
pub(super) struct Grid {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Debug)]
enum Row {
    Cells(Vec<String>),
    /// A line across all columns.
    Note(String),
}

impl Grid {
    pub(super) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// A cell for each column.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(Row::Cells(cells.into_iter().map(|cell| clean(&cell)).collect()));
    }

    /// A line across all columns.
    pub(super) fn note(&mut self, text: &str) {
        self.rows.push(Row::Note(clean(text)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the table; without names of columns where none has one, or nothing stands below them.
    pub(super) fn write(&self, out: &mut impl Write, width: Option<usize>) -> io::Result<()> {
        let shown = self.layout(width);
        let names: Vec<String> = self.columns.iter().map(|column| column.name.to_owned()).collect();
        if names.iter().any(|name| !name.is_empty()) && self.cells().next().is_some() {
            write_row(out, &names, (&shown, width))?;
        }
        for row in &self.rows {
            match row {
                Row::Cells(cells) => write_row(out, cells, (&shown, width))?,
                Row::Note(text) => writeln!(out, "{}", cut(text, width))?,
            }
        }
        Ok(())
    }

    fn cells(&self) -> impl Iterator<Item = &Vec<String>> {
        self.rows.iter().filter_map(|row| match row {
            Row::Cells(cells) => Some(cells),
            Row::Note(_) => None,
        })
    }

    /// The columns that are shown, with their places and widths.
    fn layout(&self, width: Option<usize>) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (place, &column) in self.columns.iter().enumerate() {
            let cells = self.cells().filter_map(|cells| cells.get(place));
            let widest = cells.map(|cell| columns_of(cell)).max().unwrap_or(0);
            if widest > 0 || !column.optional {
                shown.push(Shown { place, column, width: widest.max(columns_of(column.name)) });
            }
        }
        let Some(width) = width else { return shown };
        let least = |shown: &Shown| match shown.column.fit {
            Fit::Wrap => shown.width.min(WRAPPED_WIDTH),
            Fit::Whole | Fit::Spare => shown.width,
        };
        while total(&shown, least) > width {
            let spare = shown.iter().rposition(|shown| shown.column.fit == Fit::Spare);
            let Some(spare) = spare else { break };
            shown.remove(spare);
        }
        while total(&shown, |shown| shown.width) > width {
            let wrapped = shown.iter_mut().filter(|shown| shown.column.fit == Fit::Wrap);
            match wrapped.max_by_key(|shown| shown.width) {
                Some(widest) if widest.width > WRAPPED_WIDTH_MIN => widest.width -= 1,
                _ => break,
            }
        }
        shown
    }
}

#[derive(Debug)]
struct Shown {
    place: usize,
    column: Column,
    width: usize,
}

fn total(shown: &[Shown], width: impl Fn(&Shown) -> usize) -> usize {
    let gaps = shown.len().saturating_sub(1) * GAP;
    shown.iter().map(width).sum::<usize>() + gaps
}

fn write_row(
    out: &mut impl Write,
    cells: &[String],
    (shown, width): (&[Shown], Option<usize>),
) -> io::Result<()> {
    let wrapped: Vec<Vec<String>> = shown
        .iter()
        .map(|shown| {
            let cell = cells.get(shown.place).map_or("", String::as_str);
            wrap(cell, if width.is_some() { shown.width } else { usize::MAX })
        })
        .collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(1).max(1);
    for line in 0..height {
        let mut text = String::new();
        for (index, (shown, lines)) in shown.iter().zip(&wrapped).enumerate() {
            let cell = lines.get(line).map_or("", String::as_str);
            let space = " ".repeat(shown.width.saturating_sub(columns_of(cell)));
            if index > 0 {
                text.push_str("  ");
            }
            let (before, behind) = if shown.column.right { (&*space, "") } else { ("", &*space) };
            text.extend([before, cell, behind]);
        }
        writeln!(out, "{}", cut(text.trim_end(), width))?;
    }
    Ok(())
}

/// A text in lines of at most so many columns, broken at spaces, else behind a mark, else anywhere.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let gap = usize::from(!line.is_empty());
        if !line.is_empty() && columns_of(&line) + gap + columns_of(word) > width {
            lines.push(std::mem::take(&mut line));
        } else if gap > 0 {
            line.push(' ');
        }
        let mut word = word;
        while columns_of(word) > width {
            let (head, tail) = word.split_at(break_of(word, width));
            lines.push(head.to_owned());
            word = tail;
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Where a word is broken that is too long for its line.
fn break_of(word: &str, width: usize) -> usize {
    let mut used = 0;
    let (mut anywhere, mut marked) = (0, 0);
    for (at, letter) in word.char_indices() {
        used += columns_of_char(letter);
        if used > width && anywhere > 0 {
            break;
        }
        anywhere = at + letter.len_utf8();
        if matches!(letter, '.' | '_' | '-' | '/' | ':' | ',') {
            marked = anywhere;
        }
    }
    if marked > 0 { marked } else { anywhere }
}

/// A line of at most so many columns, with an ellipsis where it was cut.
pub(super) fn cut(text: &str, width: Option<usize>) -> String {
    let Some(width) = width.filter(|&width| columns_of(text) > width) else {
        return text.to_owned();
    };
    let mut short = String::new();
    let mut used = 1;
    for letter in text.chars() {
        used += columns_of_char(letter);
        if used > width {
            break;
        }
        short.push(letter);
    }
    short.push('\u{2026}');
    short
}

/// Columns of a terminal that a text takes.
pub(super) fn columns_of(text: &str) -> usize {
    text.chars().map(columns_of_char).sum()
}

fn columns_of_char(letter: char) -> usize {
    match u32::from(letter) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(grid: &Grid, width: Option<usize>) -> String {
        let mut out = Vec::new();
        grid.write(&mut out, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn example() -> Grid {
        let columns = [
            column("ID"),
            column("COUNT").right(),
            column("WHAT").wrap(),
            column("SOURCE").spare(),
            column("NEVER").optional(),
        ];
        let mut grid = Grid::new(columns);
        let row = |cells: [&str; 5]| cells.map(str::to_owned);
        grid.row(row(["a", "7", "one two three four five six seven", "wms", ""]));
        grid.note("  later");
        grid.row(row(["bb", "1,234", "\u{1b}[31mred", "erp:prd", ""]));
        grid
    }

    #[test]
    fn without_a_width_every_row_is_one_line() {
        let expected = "\
ID  COUNT  WHAT                               SOURCE
a       7  one two three four five six seven  wms
  later
bb  1,234  \u{fffd}[31mred                           erp:prd
";
        assert_eq!(text(&example(), None), expected);
    }

    #[test]
    fn a_narrow_table_wraps_then_spares_and_never_exceeds_its_width() {
        let narrow = text(&example(), Some(36));
        assert!(narrow.contains("SOURCE") && narrow.lines().count() == 6, "{narrow}");
        let narrower = text(&example(), Some(26));
        assert!(!narrower.contains("SOURCE"), "{narrower}");
        for width in 1..80 {
            let table = text(&example(), Some(width));
            for line in table.lines() {
                assert!(columns_of(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn words_are_broken_behind_a_mark() {
        assert_eq!(wrap("shipment.confirmed late", 12), ["shipment.", "confirmed", "late"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("\u{4e00}\u{4e00}", 1), ["\u{4e00}", "\u{4e00}"]);
        assert_eq!(cut("abcdef", Some(4)), "abc\u{2026}");
    }
}
