//! The shape of `OrderEvent` and of all it contains, and of all other messages, as a table built
//! once from the descriptors of `proto/`, so that it cannot drift from them. Does not know how an
//! event is read or stored.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use crate::num::usize_from;

/// The descriptors of `proto/` and of what it imports, serialised.
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// One message type.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
    /// Whether JSON says its numbers and flags that are zero: those of an event mean that nothing
    /// was said, those of the ledger's own messages mean zero.
    pub(crate) says_zeros: bool,
    /// Place in `fields` by field number; `None` where this version knows no such field.
    places: Vec<Option<usize>>,
}

/// One field of a message type.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is what the descriptor says of a field")]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) repeated: bool,
    /// Whether this is the list of an event's lines, which is limited.
    pub(crate) is_line: bool,
    /// Whether presence is tracked: a zero that was sent differs from nothing that was sent.
    pub(crate) optional: bool,
    /// Whether it is one of several fields of which at most one is sent.
    is_choice: bool,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int {
        min: i64,
        max: u64,
    },
    ZigZag {
        min: i64,
        max: u64,
    },
    Enum(EnumIndex),
    Double,
    Text(TextRule),
    Bytes,
    Timestamp,
    Message(MessageIndex),
    /// A map from text to text.
    TextMap,
}

/// What a text must be beyond UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextRule {
    Any,
    /// Names something: bounded, without control characters.
    Id,
    /// An exact decimal number.
    Decimal,
}

/// Place of a message type in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageIndex(usize);

/// Place of an enum type in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnumIndex(usize);

/// The words of an enum in NDJSON: lower case, without the prefix.
#[derive(Debug, Default)]
pub(crate) struct Enum {
    pub(crate) words: Vec<(i32, String)>,
}

/// All message and enum types: first those that an event can contain.
#[derive(Debug)]
pub(crate) struct Schema {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    event: MessageIndex,
    /// The messages of `proto/` by their names without the package.
    names: HashMap<String, MessageIndex>,
}

const I32_MAX: u64 = (1 << 31) - 1;
const U32_MAX: u64 = (1 << 32) - 1;
const I64_MAX: u64 = i64::MAX.cast_unsigned();

const PACKAGE: &str = ".orderledger.v1.";
const EVENT: &str = ".orderledger.v1.OrderEvent";

static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of_proto);
static EMPTY_MESSAGE: Message =
    Message { name: String::new(), fields: Vec::new(), says_zeros: false, places: Vec::new() };
static EMPTY_ENUM: Enum = Enum { words: Vec::new() };

/// The schema of the canonical event, and of what the ledger says.
pub(crate) fn schema() -> &'static Schema {
    &SCHEMA
}

impl Kind {
    /// A varint as a decoder of this kind reads it: 32 bits of a 32-bit field, 1 for true.
    pub(crate) fn normal(self, varint: u64) -> u64 {
        let low = u32::try_from(varint & u64::from(u32::MAX)).unwrap_or_default();
        match self {
            Self::Bool => u64::from(varint != 0),
            Self::Int { min: 0, max: U32_MAX } | Self::ZigZag { max: I32_MAX, .. } => low.into(),
            Self::Int { max: I32_MAX, .. } | Self::Enum(_) => {
                i64::from(low.cast_signed()).cast_unsigned()
            }
            Self::Int { .. }
            | Self::ZigZag { .. }
            | Self::Double
            | Self::Text(_)
            | Self::Bytes
            | Self::Timestamp
            | Self::Message(_)
            | Self::TextMap => varint,
        }
    }
}

impl Schema {
    pub(crate) fn event(&self) -> &Message {
        self.message(self.event)
    }

    pub(crate) fn message(&self, index: MessageIndex) -> &Message {
        self.messages.get(index.0).unwrap_or(&EMPTY_MESSAGE)
    }

    /// A message by its name; an empty one where there is no such message.
    pub(crate) fn named(&self, name: &str) -> &Message {
        self.names.get(name).map_or(&EMPTY_MESSAGE, |index| self.message(*index))
    }

    pub(crate) fn words(&self, index: EnumIndex) -> &Enum {
        self.enums.get(index.0).unwrap_or(&EMPTY_ENUM)
    }

    fn of_proto() -> Self {
        // The bytes come from the build script: what they hold is this crate's own doing.
        let descriptors = FileDescriptorSet::decode(DESCRIPTORS).unwrap_or_default();
        let mut types = HashMap::new();
        let mut enums = HashMap::new();
        for file in &descriptors.file {
            let package = format!(".{}", file.package());
            for message in &file.message_type {
                collect(&package, message, &mut types);
            }
            for words in &file.enum_type {
                enums.insert(format!("{package}.{}", words.name()), words);
            }
        }
        let mut builder = Builder {
            types,
            enums,
            places: HashMap::new(),
            messages: Vec::new(),
            words: Vec::new(),
            says_zeros: false,
        };
        let event = builder.message(EVENT);
        let mut own: Vec<String> = builder.types.keys().cloned().collect();
        own.retain(|name| name.starts_with(PACKAGE));
        // In the order of their names: a table is the same each time it is built.
        own.sort();
        builder.says_zeros = true;
        let mut names = HashMap::new();
        for type_name in own {
            let index = builder.message(&type_name);
            names.insert(type_name.replacen(PACKAGE, "", 1), index);
        }
        Self { messages: builder.messages, enums: builder.words, event, names }
    }
}

impl Field {
    /// A number or a flag that is sent unless it is zero.
    pub(crate) fn is_plain_number(&self) -> bool {
        let number =
            matches!(self.kind, Kind::Bool | Kind::Int { .. } | Kind::ZigZag { .. } | Kind::Double);
        number && !self.repeated && !self.optional && !self.is_choice
    }
}

impl Message {
    /// Whether this is protobuf's own duration.
    pub(crate) fn is_duration(&self) -> bool {
        self.name == "Duration"
    }

    pub(crate) fn field(&self, number: u32) -> Option<&Field> {
        let place = (*self.places.get(usize_from(number))?)?;
        self.fields.get(place)
    }

    pub(crate) fn field_named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Enum {
    pub(crate) fn word(&self, number: i32) -> Option<&str> {
        self.words.iter().find(|(known, _)| *known == number).map(|(_, word)| word.as_str())
    }

    pub(crate) fn number(&self, word: &str) -> Option<i32> {
        self.words.iter().find(|(_, known)| known == word).map(|(number, _)| *number)
    }
}

fn collect<'d>(
    scope: &str,
    message: &'d DescriptorProto,
    types: &mut HashMap<String, &'d DescriptorProto>,
) {
    let name = format!("{scope}.{}", message.name());
    for nested in &message.nested_type {
        collect(&name, nested, types);
    }
    types.insert(name, message);
}

struct Builder<'d> {
    types: HashMap<String, &'d DescriptorProto>,
    enums: HashMap<String, &'d prost_types::EnumDescriptorProto>,
    places: HashMap<String, usize>,
    messages: Vec<Message>,
    words: Vec<Enum>,
    says_zeros: bool,
}

impl Builder<'_> {
    fn message(&mut self, type_name: &str) -> MessageIndex {
        if let Some(&place) = self.places.get(type_name) {
            return MessageIndex(place);
        }
        let place = self.messages.len();
        self.places.insert(type_name.to_owned(), place);
        self.messages.push(Message::default());
        let Some(&descriptor) = self.types.get(type_name) else {
            return MessageIndex(place);
        };
        let mut message = Message {
            name: descriptor.name().to_owned(),
            fields: Vec::new(),
            says_zeros: self.says_zeros,
            places: Vec::new(),
        };
        for field in &descriptor.field {
            let number = usize_from(field.number());
            message.places.resize(message.places.len().max(number + 1), None);
            if let Some(slot) = message.places.get_mut(number) {
                *slot = Some(message.fields.len());
            }
            message.fields.push(self.field(field));
        }
        if let Some(slot) = self.messages.get_mut(place) {
            *slot = message;
        }
        MessageIndex(place)
    }

    fn field(&mut self, field: &FieldDescriptorProto) -> Field {
        let kind = self.kind(field);
        Field {
            number: u32::try_from(field.number()).unwrap_or_default(),
            name: field.name().to_owned(),
            is_line: field.name() == "lines",
            kind,
            repeated: field.label() == Label::Repeated && kind != Kind::TextMap,
            optional: field.proto3_optional(),
            is_choice: field.oneof_index.is_some(),
        }
    }

    fn kind(&mut self, field: &FieldDescriptorProto) -> Kind {
        match field.r#type() {
            Type::Bool => Kind::Bool,
            Type::Sint32 => Kind::ZigZag { min: i32::MIN.into(), max: I32_MAX },
            Type::Sint64 => Kind::ZigZag { min: i64::MIN, max: I64_MAX },
            Type::Int32 => Kind::Int { min: i32::MIN.into(), max: I32_MAX },
            Type::Int64 => Kind::Int { min: i64::MIN, max: I64_MAX },
            Type::Uint32 => Kind::Int { min: 0, max: U32_MAX },
            Type::Uint64 => Kind::Int { min: 0, max: u64::MAX },
            Type::String => Kind::Text(text_rule(field.name())),
            Type::Enum => self.enumeration(field.type_name()),
            Type::Message => match field.type_name() {
                ".google.protobuf.Timestamp" => Kind::Timestamp,
                name if self.is_map(name) => Kind::TextMap,
                name => Kind::Message(self.message(name)),
            },
            Type::Double => Kind::Double,
            // Of these, proto/ has only bytes; a test keeps it so.
            Type::Bytes
            | Type::Float
            | Type::Fixed32
            | Type::Fixed64
            | Type::Sfixed32
            | Type::Sfixed64
            | Type::Group => Kind::Bytes,
        }
    }

    fn is_map(&self, type_name: &str) -> bool {
        self.types
            .get(type_name)
            .and_then(|entry| entry.options.as_ref())
            .is_some_and(prost_types::MessageOptions::map_entry)
    }

    fn enumeration(&mut self, type_name: &str) -> Kind {
        let place = self.words.len();
        let mut words = Enum::default();
        if let Some(descriptor) = self.enums.get(type_name) {
            let prefix = format!("{}_", screaming_snake(descriptor.name()));
            for value in &descriptor.value {
                let name = value.name().strip_prefix(&prefix).unwrap_or(value.name());
                words.words.push((value.number(), name.to_lowercase()));
            }
        }
        self.words.push(words);
        Kind::Enum(EnumIndex(place))
    }
}

/// Names of this model end in what they are: ids in `_id`, quantities in `quantity`.
fn text_rule(field_name: &str) -> TextRule {
    match field_name {
        "source" | "type" => TextRule::Id,
        name if name.ends_with("_id") || name.ends_with("_ids") => TextRule::Id,
        name if matches!(name, "quantity" | "ratio") || name.ends_with("_quantity") => {
            TextRule::Decimal
        }
        _ => TextRule::Any,
    }
}

fn screaming_snake(camel: &str) -> String {
    let mut name = String::new();
    for (at, letter) in camel.chars().enumerate() {
        if at > 0 && letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_found_with_its_fields() {
        let event = schema().event();
        assert_eq!(event.name, "OrderEvent");
        let occurred_at = event.field_named("occurred_at").unwrap();
        assert_eq!(occurred_at.kind, Kind::Timestamp);
        assert_eq!(event.field(occurred_at.number).unwrap().name, "occurred_at");
        let Kind::Message(line) = event.field_named("lines").unwrap().kind else { panic!() };
        let line = schema().message(line);
        assert_eq!(line.field_named("quantity").unwrap().kind, Kind::Text(TextRule::Decimal));
        assert_eq!(line.field_named("line_id").unwrap().kind, Kind::Text(TextRule::Id));
        assert_eq!(event.field_named("attributes").unwrap().kind, Kind::TextMap);
        assert!(event.field(536_870_911).is_none());
    }

    #[test]
    fn enum_words_are_lower_case_without_their_prefix() {
        let Kind::Enum(precision) =
            schema().event().field_named("occurred_at_precision").unwrap().kind
        else {
            panic!()
        };
        let words = schema().words(precision);
        let number = words.number("second").unwrap();
        assert_eq!(words.word(number), Some("second"));
        assert_eq!(words.word(0), Some("unspecified"));
    }

    #[test]
    fn every_field_has_a_kind_that_the_table_can_say() {
        let descriptors = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
        let own = descriptors.file.iter().filter(|file| file.package() == "orderledger.v1");
        for file in own {
            // No event holds what is declared there.
            let of_service = file.name().ends_with("_service.proto");
            let fields = file.message_type.iter().flat_map(|message| &message.field);
            for field in fields {
                let other = matches!(
                    field.r#type(),
                    Type::Float
                        | Type::Fixed32
                        | Type::Fixed64
                        | Type::Sfixed32
                        | Type::Sfixed64
                        | Type::Group
                );
                let can_say = !other && (of_service || field.r#type() != Type::Double);
                assert!(can_say, "{}: {}", file.name(), field.name());
            }
        }
    }
}
