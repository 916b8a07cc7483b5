//! The whole first step, seen from outside.

mod card;
mod hints;
mod hostile;
mod mutation;
mod path;
mod pkits;
mod seeds;
mod settings;
mod slot;
mod unreadable;
