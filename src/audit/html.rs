//! Pages for people, in pieces: what comes from elsewhere is escaped, and only what stands in this
//! program is not. Does not know what a page says.

/// A page, or a part of one.
#[derive(Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    /// Markup that stands in this program.
    pub(crate) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text from wherever.
    pub(crate) fn text(&mut self, text: impl AsRef<str>) -> &mut Self {
        for letter in text.as_ref().chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                _ if misleads(letter) => self.0.push('\u{fffd}'),
                _ => self.0.push(letter),
            }
        }
        self
    }

    /// A table, without columns in which no row says anything; nothing without rows.
    pub(crate) fn table<const N: usize>(
        &mut self,
        heads: [&'static str; N],
        rows: &[[String; N]],
    ) -> &mut Self {
        if rows.is_empty() {
            return self;
        }
        let mut said = [false; N];
        for row in rows {
            for (said, cell) in said.iter_mut().zip(row) {
                *said |= !cell.is_empty();
            }
        }
        self.raw("<div><table>\n<tr>");
        for (head, _) in heads.iter().zip(said).filter(|(_, said)| *said) {
            self.raw("<th>").raw(head);
        }
        for row in rows {
            self.raw("\n<tr>");
            for (cell, _) in row.iter().zip(said).filter(|(_, said)| *said) {
                self.raw("<td>").text(cell);
            }
        }
        self.raw("\n</table></div>\n")
    }

    /// The markup.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// Whether a letter is not seen, or changes how others are seen: controls, and what turns the
/// direction of writing.
fn misleads(letter: char) -> bool {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
    letter.is_control() || turns || matches!(letter, '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen red with `<` left as it is.
    #[test]
    fn what_comes_from_elsewhere_is_text_and_nothing_else() {
        let mut html = Html::default();
        html.raw("<p>").text("<img src=x onerror='a(\"b\")'> & \u{202e}txt\u{0}\n");
        let text = "<p>&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt; &amp; \
                    \u{fffd}txt\u{fffd}\u{fffd}";
        assert_eq!(html.into_string(), text);
    }

    #[test]
    fn a_table_has_no_column_that_says_nothing() {
        let mut html = Html::default();
        html.table(["A", "B"], &[]);
        html.table(["A", "B"], &[["<".to_owned(), String::new()]]);
        assert_eq!(html.into_string(), "<div><table>\n<tr><th>A\n<tr><td>&lt;\n</table></div>\n");
    }
}
