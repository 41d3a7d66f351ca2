//! What the SDK expects of a native build.

pub mod frame_cryptor;
pub mod packet_trailer;

/// A random (version 4) UUID.
pub fn create_random_uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}
