//! The policy of a house, from a TOML file. Does not know what it is for.

use std::path::Path;

use super::failure::Failure;
use crate::order::Policy;

/// What a policy file says. A name that is not known is an error, with its line.
pub(super) fn read(path: &Path) -> Result<Policy, Failure> {
    let named = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("policy {}: {}", path.display(), error.to_string().trim_end()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    toml::from_str(&text).map_err(|error| named(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_and_a_typo_named_with_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let with = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            read(file.path())
        };
        let text = "clock_skew_seconds = 60\n[warehouses.dc1]\nreports_picks = false\n";
        let policy = with(text).unwrap();
        assert_eq!(policy.clock_skew_seconds, 60);
        assert_eq!(policy.warehouses["dc1"].reports_picks, Some(false));
        assert_eq!(with("").unwrap(), Policy::default());
        let refused = with("\n[warehouses.dc1]\nreports_pics = false\n").unwrap_err();
        let refused = format!("{refused:?}");
        assert!(refused.contains("line 3") && refused.contains("reports_pics"), "{refused}");
        assert!(read(Path::new("/nowhere/policy.toml")).is_err());
    }
}
