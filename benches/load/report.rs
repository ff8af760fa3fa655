//! The table of figures. Does not know how they came about.

use std::path::Path;

use serde_json::{Value, json};

/// What a figure has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Required {
    Nothing,
    AtLeast(f64),
    AtMost(f64),
}

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    pub(crate) result: f64,
    pub(crate) unit: &'static str,
    pub(crate) required: Required,
}

impl Row {
    /// A figure that is only printed.
    pub(crate) fn new(name: &'static str, result: f64, unit: &'static str) -> Self {
        Self { name, what: String::new(), result, unit, required: Required::Nothing }
    }

    pub(crate) fn at_least(mut self, required: f64) -> Self {
        self.required = Required::AtLeast(required);
        self
    }

    pub(crate) fn at_most(mut self, required: f64) -> Self {
        self.required = Required::AtMost(required);
        self
    }

    pub(crate) fn what(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    /// How good it is: from 1 on it is enough.
    fn ratio(&self) -> Option<f64> {
        match self.required {
            Required::Nothing => None,
            Required::AtLeast(least) => Some(self.result / least),
            Required::AtMost(most) => Some(most / self.result),
        }
    }

    fn required(&self) -> String {
        match self.required {
            Required::Nothing => String::new(),
            Required::AtLeast(least) => format!(">= {}", figure(least)),
            Required::AtMost(most) => format!("<= {}", figure(most)),
        }
    }

    fn verdict(&self) -> &'static str {
        match self.ratio() {
            None => "",
            Some(ratio) if ratio >= 1.0 => "ok",
            Some(_) => "SHORT",
        }
    }

    fn line(&self) -> String {
        let result = format!("{} {}", figure(self.result), self.unit);
        let ratio = self.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let (name, what) = (self.name, &self.what);
        let (required, verdict) = (self.required(), self.verdict());
        let line =
            format!("{name:<34} {result:>18} {required:>14} {ratio:>5} {verdict:<5}  {what}");
        line.trim_end().to_owned()
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "what": self.what,
            "result": self.result,
            "unit": self.unit,
            "required": self.required(),
            "ratio": self.ratio(),
            "verdict": self.verdict(),
        })
    }
}

/// All figures, printed as they come.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn title() {
        println!(
            "{:<34} {:>18} {:>14} {:>5} {:<5}  what",
            "name", "result", "required", "ratio", ""
        );
    }

    pub(crate) fn add(&mut self, row: Row) {
        println!("{}", row.line());
        self.rows.push(row);
    }

    /// How many figures are short of what is required.
    pub(crate) fn short(&self) -> usize {
        self.rows.iter().filter(|row| row.verdict() == "SHORT").count()
    }

    pub(crate) fn write(&self, path: &Path, machine: &Value) {
        let rows: Vec<_> = self.rows.iter().map(Row::to_json).collect();
        let text = json!({ "machine": machine, "rows": rows }).to_string();
        std::fs::write(path, text + "\n").unwrap();
    }
}

/// A number with thousands marked, and decimals where it is small.
fn figure(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let marked = digits.char_indices().map(|(at, digit)| {
        let mark = at > 0 && (digits.len() - at).is_multiple_of(3);
        if mark { format!(",{digit}") } else { digit.to_string() }
    });
    marked.collect()
}
