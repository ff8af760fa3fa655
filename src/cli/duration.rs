//! Durations as people type them, such as `500ms`, `30s`, `5m`, `1h` or `1d`, and as they read
//! them. Does not know what lasts so long.

use prost_types::Duration;

use super::output::duration_text;

/// What a text such as `1m 30s` says.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    Duration::try_from(parsed).map_err(|_| format!("{text:?} is too long"))
}

/// A duration as it is typed, exactly; empty for none, and for what is no duration.
pub(super) fn typed_text(duration: Option<&Duration>) -> String {
    let exact = duration.and_then(|duration| std::time::Duration::try_from(*duration).ok());
    exact.map_or_else(String::new, |exact| {
        let text = humantime::format_duration(exact).to_string();
        text.replace("days", "d").replace("day", "d")
    })
}

/// A duration in its two largest units, for what goes on growing; empty for none.
pub(super) fn rough_text(duration: Option<&Duration>) -> String {
    let exact = duration.and_then(|duration| std::time::Duration::try_from(*duration).ok());
    exact.map_or_else(String::new, |exact| {
        duration_text(u64::try_from(exact.as_nanos()).unwrap_or(u64::MAX))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_what_is_typed() {
        for text in ["1ms", "500ms", "30s", "5m", "1h", "1d", "1h 30m", "2d 1s", "0s"] {
            assert_eq!(typed_text(Some(&parse_duration(text).unwrap())), text);
        }
        assert_eq!(parse_duration("90s"), parse_duration("1m30s"));
        assert_eq!(parse_duration("1.5s").is_ok(), humantime::parse_duration("1.5s").is_ok());
        assert_eq!(typed_text(None), "");
    }

    #[test]
    fn what_is_no_duration_is_refused_with_its_reason() {
        assert!(parse_duration("30").unwrap_err().contains("unit"));
        for wrong in ["", "s", "-1s", "1 fortnight", "99999999999999999999d"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_grows_is_told_in_two_units() {
        let text = |text| rough_text(Some(&parse_duration(text).unwrap()));
        assert_eq!(
            ["200ms", "59s", "90m", "49h"].map(text),
            ["200 ms", "59 s", "1 h 30 min", "2 d 1 h"]
        );
        assert_eq!(rough_text(Some(&Duration { seconds: -1, nanos: 0 })), "");
    }
}
