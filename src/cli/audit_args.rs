//! How the audit of a ledger in a folder is opened, as flags and variables say it: its name, its keys,
//! and where checkpoints go. Does not know what it is opened for.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::failure::{Exit, Failure};
use crate::audit::{AuditOptions, NewOrigin, TreeOrigin};

/// What a server has of its own, so that it is refused beside `--server`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Audit of a ledger in a folder")]
pub(super) struct AuditArgs {
    /// The name that checkpoints are signed under, such as `ledger.example/orders`; a ledger keeps
    /// the first one for ever [env: `ORDER_LEDGER_ORIGIN`] [default: order-ledger/ and its id]
    #[arg(long, value_name = "NAME", value_parser = TreeOrigin::parse)]
    origin: Option<TreeOrigin>,
    /// Begin another name, which ends the old one for ever: after a restore, when it is known what
    /// was lost [env: `ORDER_LEDGER_NEW_ORIGIN`]
    #[arg(long, value_name = "NAME", value_parser = TreeOrigin::parse)]
    new_origin: Option<TreeOrigin>,
    /// Who decided on the new name, for the record [env: `ORDER_LEDGER_NEW_ORIGIN_ACTOR`]
    #[arg(long, value_name = "WHO")]
    new_origin_actor: Option<String>,
    /// Why, for the record [env: `ORDER_LEDGER_NEW_ORIGIN_REASON`]
    #[arg(long, value_name = "WHY")]
    new_origin_reason: Option<String>,
    /// A file with a key that signs; may be given again, and then all of them sign
    /// [env: `ORDER_LEDGER_SIGNING_KEY`, divided by `:`] [default: those in audit/keys]
    #[arg(long = "signing-key", value_name = "FILE")]
    signing_keys: Vec<PathBuf>,
    /// The folder of checkpoints [env: `ORDER_LEDGER_CHECKPOINTS`] [default: checkpoints in the
    /// folder of the ledger]
    #[arg(long, value_name = "DIR")]
    checkpoints: Option<PathBuf>,
    /// A further folder for checkpoints, on another disk or machine; may be given again
    /// [env: `ORDER_LEDGER_CHECKPOINT_COPY`, divided by `:`]
    #[arg(long = "checkpoint-copy", value_name = "DIR")]
    checkpoint_copies: Vec<PathBuf>,
    /// How long an append waits at most for a checkpoint that covers it, when nobody asks, such as
    /// `100ms` [env: `ORDER_LEDGER_CHECKPOINT_INTERVAL`] [default: 100ms]
    #[arg(long, value_name = "DURATION", value_parser = parse_interval)]
    checkpoint_interval: Option<Duration>,
    /// How often the log is sealed where something changed, such as `1m`; `never`: only when
    /// somebody asks [env: `ORDER_LEDGER_SEAL_INTERVAL`] [default: 1m]
    #[arg(long, value_name = "DURATION", value_parser = parse_seals)]
    seal_interval: Option<Seals>,
}

/// How often seals are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seals(Option<Duration>);

impl AuditArgs {
    /// A flag that was typed; a variable is not one.
    pub(super) fn typed(&self) -> Option<&'static str> {
        [
            (self.origin.is_some(), "--origin"),
            (self.new_origin.is_some(), "--new-origin"),
            (self.new_origin_actor.is_some(), "--new-origin-actor"),
            (self.new_origin_reason.is_some(), "--new-origin-reason"),
            (!self.signing_keys.is_empty(), "--signing-key"),
            (self.checkpoints.is_some(), "--checkpoints"),
            (!self.checkpoint_copies.is_empty(), "--checkpoint-copy"),
            (self.checkpoint_interval.is_some(), "--checkpoint-interval"),
            (self.seal_interval.is_some(), "--seal-interval"),
        ]
        .into_iter()
        .find_map(|(typed, flag)| typed.then_some(flag))
    }

    /// What was typed, and else what variables say.
    pub(super) fn options(&self) -> Result<AuditOptions, Failure> {
        let default = AuditOptions::default();
        let seals = said(self.seal_interval.as_ref(), "ORDER_LEDGER_SEAL_INTERVAL", parse_seals)?;
        let interval = said(
            self.checkpoint_interval.as_ref(),
            "ORDER_LEDGER_CHECKPOINT_INTERVAL",
            parse_interval,
        )?;
        let checkpoints = variable("ORDER_LEDGER_CHECKPOINTS").map(PathBuf::from);
        Ok(AuditOptions {
            origin: said(self.origin.as_ref(), "ORDER_LEDGER_ORIGIN", TreeOrigin::parse)?,
            new_origin: self.new_origin()?,
            signing_keys: paths(&self.signing_keys, "ORDER_LEDGER_SIGNING_KEY"),
            checkpoints: self.checkpoints.clone().or(checkpoints),
            checkpoint_copies: paths(&self.checkpoint_copies, "ORDER_LEDGER_CHECKPOINT_COPY"),
            checkpoint_interval: interval.unwrap_or(default.checkpoint_interval),
            seal_interval: seals.map_or(default.seal_interval, |seals| seals.0),
        })
    }

    fn new_origin(&self) -> Result<Option<NewOrigin>, Failure> {
        let name = "ORDER_LEDGER_NEW_ORIGIN";
        let origin = said(self.new_origin.as_ref(), name, TreeOrigin::parse)?;
        let Some(origin) = origin else { return Ok(None) };
        let text = |text: &str| Ok::<_, String>(text.to_owned());
        let actor = said(self.new_origin_actor.as_ref(), &format!("{name}_ACTOR"), text)?;
        let reason = said(self.new_origin_reason.as_ref(), &format!("{name}_REASON"), text)?;
        let (Some(actor), Some(reason)) = (actor, reason) else {
            let what = "a new origin ends the old one for ever: say who decided that and why, with \
                        --new-origin-actor and --new-origin-reason";
            return Err(Failure::new(Exit::Usage, what));
        };
        Ok(Some(NewOrigin { origin, actor, reason }))
    }
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// What was typed, or what a variable says.
fn said<T: Clone, E: fmt::Display>(
    typed: Option<&T>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Failure> {
    if let Some(typed) = typed {
        return Ok(Some(typed.clone()));
    }
    let parsed = variable(name).map(|value| parse(&value.to_string_lossy()));
    let wrong = |error| Failure::new(Exit::Usage, format!("{name}: {error}"));
    parsed.transpose().map_err(wrong)
}

fn paths(typed: &[PathBuf], name: &str) -> Vec<PathBuf> {
    match variable(name) {
        Some(value) if typed.is_empty() => std::env::split_paths(&value).collect(),
        _ => typed.to_vec(),
    }
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if parsed < Duration::from_millis(1) {
        return Err("at least 1ms".to_owned());
    }
    Ok(parsed)
}

fn parse_seals(text: &str) -> Result<Seals, String> {
    if text == "never" {
        return Ok(Seals(None));
    }
    parse_interval(text).map(|interval| Seals(Some(interval)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_come_in_times_or_never() {
        assert_eq!(parse_seals("never"), Ok(Seals(None)));
        assert_eq!(parse_seals("5m"), Ok(Seals(Some(Duration::from_secs(300)))));
        for wrong in ["0s", "5", "often", ""] {
            assert!(parse_seals(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_new_name_needs_somebody_and_a_reason() {
        let named = AuditArgs {
            new_origin: Some(TreeOrigin::parse("ledger.example/2").unwrap()),
            new_origin_actor: Some("anna".into()),
            ..AuditArgs::default()
        };
        let refused = format!("{:?}", named.options().unwrap_err());
        assert!(refused.contains("--new-origin-reason"), "{refused}");
        let said = AuditArgs { new_origin_reason: Some("restored".into()), ..named };
        let new = said.options().unwrap().new_origin.unwrap();
        assert_eq!((&*new.actor, &*new.reason), ("anna", "restored"));
        assert_eq!(said.typed(), Some("--new-origin"));
        assert_eq!(AuditArgs::default().typed(), None);
        assert_eq!(AuditArgs::default().options().unwrap(), AuditOptions::default());
    }
}
