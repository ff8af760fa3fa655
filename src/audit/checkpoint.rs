//! Checkpoints (C2SP tlog-checkpoint): the size and root of the tree under the name of its origin,
//! as a signed note. Does not know where they are kept, nor when one is made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::archive::is_checkpoint_name;
use super::note::{NoteDefect, SignedNote, SignerKey, VerifierKey};
use crate::log::Hash;

/// The name of a log, for ever: whoever holds two checkpoints of one origin may compare them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeOrigin(String);

/// Bytes of an origin.
const ORIGIN_LEN_MAX: usize = 200;

impl TreeOrigin {
    /// Checks a name: parts of `a` to `z`, `0` to `9`, `.`, `_` and `-`, divided by `/`; none is
    /// empty, begins with a dot, or is called as the files of checkpoints are: `latest` or a day.
    /// At most 200 bytes. A host that one owns in front keeps it unique.
    ///
    /// ```
    /// use order_ledger::TreeOrigin;
    ///
    /// let origin = TreeOrigin::parse("ledger.example/orders").unwrap();
    /// assert_eq!(origin.name(), "ledger.example/orders");
    /// assert!(TreeOrigin::parse("../orders").is_err());
    /// ```
    ///
    /// # Errors
    /// What is allowed.
    pub fn parse(name: &str) -> Result<Self, String> {
        let part = |part: &str| {
            let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
            !part.is_empty()
                && !part.starts_with('.')
                && !is_checkpoint_name(part)
                && part.bytes().all(allowed)
        };
        if name.len() <= ORIGIN_LEN_MAX && name.split('/').all(part) {
            Ok(Self(name.to_owned()))
        } else {
            Err(format!(
                "{name:?} is no origin; allowed are parts of a to z, 0 to 9, '.', '_' and '-', \
                 divided by '/', none of them empty, with a dot first, a day as 2026-11-23 or \
                 `latest`; at most 200 bytes, as in ledger.example/orders"
            ))
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// What a checkpoint says: the first `size` leaves of the log of that origin have that root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose log it is.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text of the note: origin, size and root, each in a line.
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }

    /// Signs it, as a note.
    pub(crate) fn sign(&self, keys: &[SignerKey]) -> String {
        SignedNote::sign(self.text(), keys).to_string()
    }

    /// Reads a note whose signatures are not looked at.
    ///
    /// # Errors
    /// [`NoteDefect::Malformed`].
    pub(crate) fn parse_unverified(note: &str) -> Result<Self, NoteDefect> {
        Self::of_text(SignedNote::parse(note)?.text())
    }

    /// Reads a note that one of the keys signed; a signature by another key is passed over.
    ///
    /// ```
    /// use order_ledger::Checkpoint;
    ///
    /// let error = Checkpoint::verify("no note", &[]).unwrap_err();
    /// assert!(error.to_string().starts_with("not a signed note"));
    /// ```
    ///
    /// # Errors
    /// Why it is not believed. The key must have the name of the origin: a key of another
    /// log proves nothing of this one.
    pub fn verify(note: &str, keys: &[VerifierKey]) -> Result<Self, NoteDefect> {
        Self::verify_signers(note, keys).map(|(checkpoint, _)| checkpoint)
    }

    /// The same, with those of the keys that signed it, as `NAME+HASH`.
    pub(super) fn verify_signers(
        note: &str,
        keys: &[VerifierKey],
    ) -> Result<(Self, Vec<String>), NoteDefect> {
        let note = SignedNote::parse(note)?;
        let by = note.verify(keys)?;
        let checkpoint = Self::of_text(note.text())?;
        if by.iter().any(|key| key.name() == checkpoint.origin) {
            return Ok((checkpoint, by.into_iter().map(VerifierKey::label).collect()));
        }
        let names = by.iter().map(ToString::to_string).collect();
        Err(NoteDefect::UnknownKey(names))
    }

    fn of_text(text: &str) -> Result<Self, NoteDefect> {
        let malformed = |what: &str| NoteDefect::Malformed(format!("as a checkpoint: {what}"));
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("fewer than three lines"));
        };
        if origin.is_empty() {
            return Err(malformed("no origin"));
        }
        let digits = size == "0" || !size.starts_with('0') && !size.starts_with('+');
        let size = size.parse().ok().filter(|_| digits);
        let size = size.ok_or_else(|| malformed("the size is not a decimal number"))?;
        let bytes = BASE64.decode(root).ok().and_then(|bytes| Hash::try_from(bytes).ok());
        let root = bytes.ok_or_else(|| malformed("the root is not 32 bytes in base64"))?;
        // Lines behind these are extensions, which are signed too.
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "ledger.example/orders".to_owned(), size: 1_234, root: [7; 32] }
    }

    #[test]
    fn a_checkpoint_comes_back_as_it_was_signed() {
        let checkpoint = checkpoint();
        let key = SignerKey::generate(&checkpoint.origin).unwrap();
        let note = checkpoint.sign(std::slice::from_ref(&key));
        let known = [key.verifier().clone()];
        assert_eq!(Checkpoint::verify(&note, &known).unwrap(), checkpoint);
        assert_eq!(Checkpoint::parse_unverified(&note).unwrap(), checkpoint);
    }

    /// Seen red without the comparison of names.
    #[test]
    fn the_key_of_another_log_proves_nothing() {
        let key = SignerKey::generate("ledger.example/others").unwrap();
        let note = checkpoint().sign(std::slice::from_ref(&key));
        let refused = Checkpoint::verify(&note, &[key.verifier().clone()]).unwrap_err();
        assert!(matches!(refused, NoteDefect::UnknownKey(_)), "{refused}");
    }

    #[test]
    fn texts_that_are_no_checkpoint_say_why() {
        let root = BASE64.encode([7; 32]);
        let key = SignerKey::generate("o").unwrap();
        let read = |text: String| {
            let note = SignedNote::sign(text, std::slice::from_ref(&key)).to_string();
            Checkpoint::verify(&note, &[key.verifier().clone()])
        };
        let extended = read(format!("o\n0\n{root}\nmore\n")).unwrap();
        assert_eq!((extended.size, extended.root), (0, [7; 32]));
        for (text, why) in [
            (format!("o\n01\n{root}\n"), "decimal"),
            (format!("o\n+1\n{root}\n"), "decimal"),
            (format!("o\n18446744073709551616\n{root}\n"), "decimal"),
            (format!("o\n1\n{}\n", BASE64.encode([7; 31])), "32 bytes"),
            ("o\n1\n".to_owned(), "three lines"),
        ] {
            let defect = read(text.clone()).unwrap_err().to_string();
            assert!(defect.contains(why), "{text}: {defect}");
        }
    }

    /// The readers that others wrote of the same specification.
    #[test]
    fn other_implementations_read_it() {
        let checkpoint = checkpoint();
        let key = SignerKey::generate(&checkpoint.origin).unwrap();
        let note = checkpoint.sign(std::slice::from_ref(&key));
        let verifier = signed_note::StandardVerifier::new(&key.verifier().to_string()).unwrap();
        let known = signed_note::VerifierList::new(vec![Box::new(verifier)]);
        let read = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
        read.verify(&known).unwrap();
        let text = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
        assert_eq!((text.origin(), text.size()), (checkpoint.origin.as_str(), checkpoint.size));
        assert_eq!(text.hash().0, checkpoint.root);
    }

    #[test]
    fn an_origin_is_also_a_path_below_a_folder() {
        for good in ["a", "ledger.example/orders", "order-ledger/0011", "a_b.c-d"] {
            assert_eq!(TreeOrigin::parse(good).unwrap().name(), good);
        }
        for bad in ["", "/", "a/", "/a", "a//b", "..", "a/../b", ".a", "A", "a b", "a+b", "ä"] {
            assert!(TreeOrigin::parse(bad).is_err(), "{bad}");
        }
        assert!(TreeOrigin::parse(&"a".repeat(201)).is_err());
    }
}
