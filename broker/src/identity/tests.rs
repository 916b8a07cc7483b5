//! The whole first step, seen from outside.

mod card;
mod hostile;
mod mutation;
mod path;
mod pkits;
mod seeds;
mod settings;
