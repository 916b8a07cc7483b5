mod judged;
mod read;
mod seeds;
