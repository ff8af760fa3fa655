//! Signed notes (C2SP signed-note): a text with signatures below, and the keys that make and check
//! them. Does not know what a text says.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::event::{from_hex, to_hex};

/// The signature type of Ed25519, which stands before a key.
const ED25519: u8 = 0x01;
const SIGNATURE_MARK: &str = "\u{2014} ";
const SECRET_MARK: &str = "PRIVATE+KEY+";
/// Signatures of a note that are looked at: a note is not a place for more.
const SIGNATURES_MAX: usize = 64;

/// Why a text is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key: {0}; a verifier key is NAME+8 hexadecimal digits+base64, in one line")]
pub struct KeyDefect(String);

impl KeyDefect {
    fn of(what: &str) -> Self {
        Self(what.to_owned())
    }
}

/// Why a note is not what its signers signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteDefect {
    /// It has not the form of a signed note.
    #[error("not a signed note: {0}")]
    Malformed(String),
    /// A signature by a key that is known does not fit the text.
    #[error("the signature of {0} does not fit: the text was changed after it was signed")]
    BadSignature(String),
    /// None of the signatures is by a key that was given.
    #[error("signed by none of the keys given; it is signed by {}", .0.join(", "))]
    UnknownKey(Vec<String>),
}

/// The public half of a key, in the form of C2SP signed-note: `NAME+HASH+BASE64`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

/// The secret half, in the form of Go's `sumdb/note`: `PRIVATE+KEY+NAME+HASH+BASE64`.
pub(crate) struct SignerKey {
    verifier: VerifierKey,
    key: SigningKey,
}

/// A note whose form is sound; who signed it is not said before [`SignedNote::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedNote {
    /// The text, with its last newline.
    text: String,
    signatures: Vec<NoteSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

/// The first four bytes of SHA-256(name, newline, type, public key).
fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([b'\n', ED25519]);
    hasher.update(key.as_bytes());
    let hash: [u8; 32] = hasher.finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// A name holds no space and no plus.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|letter| letter.is_whitespace() || letter == '+')
}

/// Name, id and the 32 bytes of a key from its text.
fn parse_key(text: &str) -> Result<(String, [u8; 4], [u8; 32]), KeyDefect> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyDefect::of("it has fewer than three parts"));
    };
    if !is_key_name(name) {
        return Err(KeyDefect::of("it has no name"));
    }
    let bytes = from_hex(id).filter(|_| id.len() == 8 && id.to_ascii_lowercase() == id);
    let id = bytes.and_then(|bytes| bytes.try_into().ok());
    let id = id.ok_or_else(|| KeyDefect::of("its second part is not 8 hexadecimal digits"))?;
    let key = BASE64.decode(key).map_err(|_| KeyDefect::of("its last part is not base64"))?;
    match key.split_first() {
        Some((&ED25519, key)) => match key.try_into() {
            Ok(key) => Ok((name.to_owned(), id, key)),
            Err(_) => Err(KeyDefect::of("it is not as long as an Ed25519 key")),
        },
        _ => Err(KeyDefect::of("it is of another kind than Ed25519")),
    }
}

impl VerifierKey {
    /// Reads a verifier key.
    ///
    /// ```
    /// use order_ledger::VerifierKey;
    ///
    /// let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    /// let key = VerifierKey::parse(text).unwrap();
    /// assert_eq!((key.name(), key.to_string().as_str()), ("PeterNeumann", text));
    /// assert!(VerifierKey::parse("PeterNeumann").is_err());
    /// ```
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, KeyDefect> {
        let (name, id, key) = parse_key(text.trim_end_matches(['\n', '\r']))?;
        let key = VerifyingKey::from_bytes(&key)
            .map_err(|_| KeyDefect::of("its last part is no point of Ed25519"))?;
        let verifier = Self { id: key_id(&name, &key), name, key };
        if verifier.id == id {
            Ok(verifier)
        } else {
            Err(KeyDefect::of("its second part is not the hash of its name and key"))
        }
    }

    /// The name: the origin whose checkpoints it signs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name and hash, by which people tell keys apart.
    pub(super) fn label(&self) -> String {
        format!("{}+{}", self.name, to_hex(&self.id))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519], &self.key.as_bytes()[..]].concat();
        write!(f, "{}+{}+{}", self.name, to_hex(&self.id), BASE64.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl SignerKey {
    /// A new key.
    pub(crate) fn generate(name: &str) -> std::io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self::of(name.to_owned(), &seed))
    }

    fn of(name: String, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let verifier = key.verifying_key();
        Self { verifier: VerifierKey { id: key_id(&name, &verifier), name, key: verifier }, key }
    }

    /// Reads a signer key.
    pub(crate) fn parse(text: &str) -> Result<Self, KeyDefect> {
        let text = text.trim_end_matches(['\n', '\r']);
        let rest = text.strip_prefix(SECRET_MARK);
        let rest = rest.ok_or_else(|| KeyDefect::of("a signer key begins with PRIVATE+KEY+"))?;
        let (name, id, seed) = parse_key(rest)?;
        let signer = Self::of(name, &seed);
        if signer.verifier.id == id {
            Ok(signer)
        } else {
            Err(KeyDefect::of("its hash is not that of its name and key"))
        }
    }

    /// The text of the key, to be kept where only its owner reads it.
    pub(crate) fn secret_text(&self) -> String {
        let VerifierKey { name, id, .. } = &self.verifier;
        let key = [&[ED25519], &self.key.as_bytes()[..]].concat();
        format!("{SECRET_MARK}{name}+{}+{}\n", to_hex(id), BASE64.encode(key))
    }

    pub(crate) fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.verifier)
    }
}

impl SignedNote {
    /// Signs a text, which ends with a newline and has no empty line, with each of the keys.
    pub(crate) fn sign(text: String, keys: &[SignerKey]) -> Self {
        debug_assert!(text.ends_with('\n') && !text.contains("\n\n"), "a text is lines");
        let sign = |key: &SignerKey| NoteSignature {
            name: key.verifier.name.clone(),
            id: key.verifier.id,
            bytes: key.key.sign(text.as_bytes()).to_bytes().to_vec(),
        };
        let signatures = keys.iter().map(sign).collect();
        Self { text, signatures }
    }

    /// Reads a note.
    pub(crate) fn parse(note: &str) -> Result<Self, NoteDefect> {
        let malformed = |what: &str| NoteDefect::Malformed(what.to_owned());
        if note.chars().any(|letter| letter < ' ' && letter != '\n') {
            return Err(malformed("it has control characters"));
        }
        let (text, below) =
            note.rsplit_once("\n\n").ok_or_else(|| malformed("no empty line above signatures"))?;
        let lines = below.strip_suffix('\n');
        let lines = lines.ok_or_else(|| malformed("it does not end with a newline"))?;
        let signatures: Vec<_> = lines
            .split('\n')
            .take(SIGNATURES_MAX + 1)
            .map(|line| NoteSignature::parse(line).ok_or_else(|| malformed("a bad signature line")))
            .collect::<Result<_, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(malformed("more than 64 signatures"));
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// The text, for who knows that it is not verified.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Answers which of the keys signed the text.
    pub(crate) fn verify<'k>(
        &self,
        keys: &'k [VerifierKey],
    ) -> Result<Vec<&'k VerifierKey>, NoteDefect> {
        let mut by = Vec::new();
        for signature in &self.signatures {
            let named = |key: &&VerifierKey| key.name == signature.name && key.id == signature.id;
            let Some(key) = keys.iter().find(named) else { continue };
            let fits = Signature::from_slice(&signature.bytes)
                .and_then(|bytes| key.key.verify_strict(self.text.as_bytes(), &bytes));
            fits.map_err(|_| NoteDefect::BadSignature(signature.to_string()))?;
            by.push(key);
        }
        if by.is_empty() {
            let signers = self.signatures.iter().map(ToString::to_string).collect();
            return Err(NoteDefect::UnknownKey(signers));
        }
        Ok(by)
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
        let bytes = BASE64.decode(bytes).ok().filter(|_| is_key_name(name))?;
        let (id, bytes) = bytes.split_first_chunk()?;
        let name = name.to_owned();
        (!bytes.is_empty()).then(|| Self { name, id: *id, bytes: bytes.to_vec() })
    }
}

/// Which key signed, for people.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.name, to_hex(&self.id))
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for NoteSignature { name, id, bytes } in &self.signatures {
            let signature = BASE64.encode([&id[..], bytes].concat());
            writeln!(f, "{SIGNATURE_MARK}{name} {signature}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The key and the note of the documentation of Go's sumdb/note, which C2SP signed-note
    // describes.
    const SECRET: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcE\
        lZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn keys() -> [VerifierKey; 1] {
        [VerifierKey::parse(PUBLIC).unwrap()]
    }

    #[test]
    fn keys_and_notes_are_those_of_the_reference_implementation() {
        let signer = SignerKey::parse(SECRET).unwrap();
        assert_eq!(signer.secret_text().trim_end(), SECRET);
        assert_eq!(signer.verifier().to_string(), PUBLIC);
        let note = SignedNote::parse(NOTE).unwrap();
        assert_eq!(note.verify(&keys()).unwrap(), [&keys()[0]]);
        assert_eq!(note.to_string(), NOTE);
        assert_eq!(SignedNote::sign(note.text().to_owned(), &[signer]).to_string(), NOTE);
    }

    /// Seen red with the signature not looked at.
    #[test]
    fn no_byte_of_a_note_can_be_changed() {
        for index in 0..NOTE.len() {
            for bit in 0..8 {
                let mut bytes = NOTE.as_bytes().to_vec();
                bytes[index] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                let note = SignedNote::parse(&changed);
                assert!(note.is_err() || note.unwrap().verify(&keys()).is_err(), "{changed}");
            }
            if let Some(cut) = NOTE.get(..index) {
                let note = SignedNote::parse(cut);
                assert!(note.is_err() || note.unwrap().verify(&keys()).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn one_known_signature_is_enough_and_a_bad_one_is_too_much() {
        let signers = ["one", "two"].map(|name| SignerKey::generate(name).unwrap());
        let known = signers.each_ref().map(|signer| signer.verifier().clone());
        let note = SignedNote::sign("text\n".to_owned(), &signers);
        let read = SignedNote::parse(&note.to_string()).unwrap();
        assert_eq!(read, note);
        assert_eq!(read.verify(&known).unwrap().len(), 2);
        assert_eq!(read.verify(&known[1..]).unwrap(), [&known[1]]);
        let unknown = read.verify(&keys()).unwrap_err();
        assert!(unknown.to_string().contains("signed by one+"), "{unknown}");

        let mut forged = note;
        forged.signatures[0].bytes = forged.signatures[1].bytes.clone();
        let bad = forged.verify(&known).unwrap_err();
        assert!(matches!(bad, NoteDefect::BadSignature(_)), "{bad}");
    }

    #[test]
    fn what_is_no_key_says_why() {
        for (text, why) in [
            ("", "fewer than three"),
            ("a+b", "fewer than three"),
            ("+c74f20a3+ARpc", "no name"),
            ("PeterNeumann+C74F20A3+ARpc", "8 hexadecimal"),
            ("PeterNeumann+c74f20a3+%", "not base64"),
            ("PeterNeumann+c74f20a3+AhpA", "another kind"),
            ("PeterNeumann+c74f20a3+ARpc", "as long as"),
            (&PUBLIC.replace("Peter", "Paul"), "hash of its name"),
        ] {
            let defect = VerifierKey::parse(text).unwrap_err().to_string();
            assert!(defect.contains(why), "{text}: {defect}");
        }
        assert!(SignerKey::parse(PUBLIC).is_err());
    }
}
