//! Compiles `proto/` with protox, so that building needs nothing but a Rust toolchain.
//!
//! Three modules come out of it:
//! - `messages`: every message, for callers and for the library;
//! - `client`: the client of the service, over these messages;
//! - `stored`: service, client and messages with **stored bytes in place of events**. Protobuf
//!   embeds a message and `bytes` alike, so both speak the same wire format, but the server never
//!   decodes and re-encodes what a producer sent, and the command line shows fields that it does
//!   not know.
//!
//! Messages know their names, by which the codec of `stored` finds what a request may say.
//!
//! The descriptor set is written beside them: reflection serves it, and the event validator is
//! built from it.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Type;
use tonic_prost_build::Config;

const FILES: [&str; 7] = [
    "orderledger/v1/order_event.proto",
    "orderledger/v1/event_filter.proto",
    "orderledger/v1/ledger_entry.proto",
    "orderledger/v1/order.proto",
    "orderledger/v1/ledger_service.proto",
    "orderledger/v1/delivery_service.proto",
    "orderledger/v1/audit_service.proto",
];

/// Files whose messages are the library's own types, on the server too.
const SHARED_FILES: [&str; 4] = [
    "orderledger/v1/order_event.proto",
    "orderledger/v1/event_filter.proto",
    "orderledger/v1/ledger_entry.proto",
    "orderledger/v1/order.proto",
];

/// Other messages that are the library's own types on the server too.
const SHARED_MESSAGES: [&str; 29] = [
    "AtHead",
    "Basis",
    "ConsumeClosedReason",
    "ConsumeProgress",
    "ConsumeRefused",
    "ConsumeRequest",
    "Consumer",
    "ConsumerMember",
    "ConsumerState",
    "DeadLetterState",
    "FindOrdersRequest",
    "FindOrdersResponse",
    "FoundOrder",
    "JoinConsumer",
    "KeptDeadLetter",
    "ListDeadLettersRequest",
    "ListDeadLettersResponse",
    "ListOrdersRequest",
    "ListOrdersResponse",
    "ListParkedRequest",
    "ListParkedResponse",
    "OrderFilter",
    "OrderSort",
    "ParkedFilter",
    "ParkedOrder",
    "ReplayParkedRequest",
    "ReplayParkedResponse",
    "SkipParkedRequest",
    "SkipParkedResponse",
];

/// Message fields that the server handles as bytes: `(message, field)`.
const STORED_BYTES: [(&str, &str); 4] = [
    ("AppendRequest", "events"),
    ("RecordedEvent", "event"),
    ("RedriveDeadLetterRequest", "corrected"),
    ("ReplayResponse", "events"),
];
/// Those of which it matters whether they are there: an empty event is not an absent one.
const OPTIONAL_BYTES: [&str; 1] = ["corrected"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let descriptors = protox::compile(FILES, ["proto"])?;
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;

    generate(&out, "messages", descriptors.clone(), |config| config)?;
    generate(&out, "client", descriptors.clone(), |config| {
        config.build_client(true).extern_path(".orderledger.v1", "crate::proto")
    })?;
    let shared: Vec<String> = shared_types(&descriptors).collect();
    generate(&out, "stored", with_stored_bytes(descriptors)?, |config| {
        let config = config.build_server(true).build_client(true).bytes(".");
        let config = config.codec_path("crate::rpc::codec::StrictCodec");
        shared.iter().fold(config, |config, name| {
            let path = format!(".orderledger.v1.{name}");
            config.extern_path(path, format!("crate::proto::{name}"))
        })
    })
}

fn generate(
    out: &Path,
    name: &str,
    descriptors: FileDescriptorSet,
    configure: impl FnOnce(tonic_prost_build::Builder) -> tonic_prost_build::Builder,
) -> Result<(), Box<dyn Error>> {
    let folder = out.join(name);
    std::fs::create_dir_all(&folder)?;
    let config =
        tonic_prost_build::configure().build_client(false).build_server(false).out_dir(folder);
    let mut names = Config::new();
    names.enable_type_names();
    // Hardly any event has it, and it would be the largest field.
    names.boxed(".orderledger.v1.OrderEvent.ledger_entry");
    configure(config).compile_fds_with_config(descriptors, names)?;
    Ok(())
}

/// The messages and enums that are shared, by name.
fn shared_types(descriptors: &FileDescriptorSet) -> impl Iterator<Item = String> {
    let shared = descriptors.file.iter().filter(|file| SHARED_FILES.contains(&file.name()));
    let others = SHARED_MESSAGES.map(str::to_owned);
    let shared = shared.flat_map(|file| {
        let messages = file.message_type.iter().map(|message| message.name().to_owned());
        messages.chain(file.enum_type.iter().map(|one| one.name().to_owned()))
    });
    shared.chain(others)
}

fn with_stored_bytes(mut descriptors: FileDescriptorSet) -> Result<FileDescriptorSet, String> {
    for (message_name, field_name) in STORED_BYTES {
        let field = descriptors
            .file
            .iter_mut()
            .flat_map(|file| &mut file.message_type)
            .filter(|message| message.name() == message_name)
            .flat_map(|message| &mut message.field)
            .find(|field| field.name() == field_name)
            .ok_or_else(|| format!("no field {field_name} in message {message_name}"))?;
        field.set_type(Type::Bytes);
        field.type_name = None;
        if OPTIONAL_BYTES.contains(&field_name) {
            field.proto3_optional = Some(true);
        }
    }
    Ok(descriptors)
}
