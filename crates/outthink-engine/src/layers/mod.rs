//! The parts that decoders are made of, one a file. None knows which architecture it is in.

pub(crate) mod attention;
pub(crate) mod buffers;
pub(crate) mod experts;
pub(crate) mod head;
pub(crate) mod linear;
pub(crate) mod matrix;
pub(crate) mod mlp;
pub(crate) mod norm;
pub(crate) mod rotary;
