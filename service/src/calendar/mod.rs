//! Rooms as calendars have them (RFC 5545), and mail that brings them there (RFC 5322, RFC 6047). Values in, text out.

mod event;
mod line;
mod mail;
mod zone;

pub(crate) use self::{
    event::{Event, Meeting, Purpose},
    mail::{Address, Mail},
    zone::Zone,
};
