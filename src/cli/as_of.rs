//! Which state of the ledger a question is about, as flags say it. Does not know the questions.

use clap::Args;
use prost_types::Timestamp;

use crate::proto;
use crate::time::parse_rfc3339;

/// Which state of the ledger a question is about.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "the names are those of the flags")]
pub(super) struct AsOfArguments {
    /// Only what had occurred by this time, by the sources' clocks (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of_occurred: Option<Timestamp>,
    /// Only what the ledger knew at this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of_recorded: Option<Timestamp>,
    /// Only what the ledger knew before this offset
    #[arg(long, value_name = "OFFSET")]
    as_of_offset: Option<u64>,
}

impl AsOfArguments {
    pub(super) fn basis(&self) -> proto::Basis {
        basis(self.as_of_offset, self.as_of_recorded)
    }

    pub(super) fn occurred(&self) -> Option<Timestamp> {
        self.as_of_occurred
    }
}

/// The state of the log before an offset, or at a time.
pub(super) fn basis(offset: Option<u64>, recorded: Option<Timestamp>) -> proto::Basis {
    proto::Basis { at_least: 0, as_of_offset: offset, as_of_recorded: recorded }
}

pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    parse_rfc3339(text).map(|(time, _)| time)
}
