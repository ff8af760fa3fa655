//! What a check comes to: a sentence, what stands behind it, and an exit code.
//! Does not know checks.

use std::io::{self, Write as _};

use serde_json::{Map, Value as Json, json};

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, bold};

/// What a check comes to.
#[derive(Debug)]
pub(super) struct Verdict {
    word: Word,
    sentence: String,
    details: Vec<String>,
    /// What it does not show, whatever it says.
    caveats: Vec<String>,
    /// The same for programs.
    fields: Map<String, Json>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Verified,
    Inconclusive,
    Unreadable,
    Tampered,
}

impl Verdict {
    pub(super) fn verified(sentence: impl Into<String>) -> Self {
        Self::of(Word::Verified, sentence, [])
    }

    pub(super) fn inconclusive(
        sentence: impl Into<String>,
        details: impl IntoIterator<Item = String>,
    ) -> Self {
        Self::of(Word::Inconclusive, sentence, details)
    }

    pub(super) fn unreadable(
        sentence: impl Into<String>,
        details: impl IntoIterator<Item = String>,
    ) -> Self {
        Self::of(Word::Unreadable, sentence, details)
    }

    pub(super) fn tampered(
        sentence: impl Into<String>,
        details: impl IntoIterator<Item = String>,
    ) -> Self {
        Self::of(Word::Tampered, sentence, details)
    }

    fn of(
        word: Word,
        sentence: impl Into<String>,
        details: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            word,
            sentence: sentence.into(),
            details: details.into_iter().collect(),
            caveats: Vec::new(),
            fields: Map::new(),
        }
    }

    /// A further line.
    pub(super) fn and(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// Something that is not shown.
    pub(super) fn but(mut self, caveat: impl Into<String>) -> Self {
        self.caveats.push(caveat.into());
        self
    }

    /// A field for programs.
    pub(super) fn with(mut self, name: &str, value: Json) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Tells it, and ends with its exit code.
    pub(super) fn tell(&self, output: Output) -> Result<(), Failure> {
        self.tell_of(None, output)?;
        self.exit()
    }

    /// Tells it of one of several things.
    pub(super) fn tell_of(&self, about: Option<&str>, output: Output) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if output != Output::Table {
            let mut object = Map::new();
            object.insert("verdict".to_owned(), json!(self.word.name()));
            if let Some(about) = about {
                object.insert("file".to_owned(), json!(about));
            }
            object.insert("sentence".to_owned(), json!(self.sentence));
            object.extend(self.fields.clone());
            object.insert("details".to_owned(), json!(self.details));
            object.insert("not_shown".to_owned(), json!(self.caveats));
            return writeln!(out, "{}", Json::Object(object));
        }
        let about = about.map(|about| format!("{about}: ")).unwrap_or_default();
        writeln!(out, "{}", bold(&format!("{}: {about}{}", self.word.headline(), self.sentence)))?;
        self.details.iter().try_for_each(|detail| writeln!(out, "  {detail}"))?;
        self.caveats.iter().try_for_each(|caveat| writeln!(out, "  not shown: {caveat}"))
    }

    /// The exit code alone: the verdict says the rest.
    pub(super) fn exit(&self) -> Result<(), Failure> {
        match self.word {
            Word::Verified => Ok(()),
            Word::Inconclusive => Err(Failure::new(Exit::Failed, "")),
            Word::Unreadable | Word::Tampered => Err(Failure::new(Exit::Integrity, "")),
        }
    }
}

impl Word {
    fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Inconclusive => "inconclusive",
            Self::Unreadable => "unreadable",
            Self::Tampered => "tampered",
        }
    }

    fn headline(self) -> &'static str {
        match self {
            Self::Verified => "VERIFIED",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Unreadable | Self::Tampered => "NOT VERIFIED",
        }
    }
}
