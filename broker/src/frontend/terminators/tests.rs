mod judged;
mod read;
