//! Tests through the public interface of the crate: the rows tamper, confusion, stripped, swap, modes, rollback and
//! threshold, rotations, and the trust levels.

#[cfg(test)]
mod acceptance {
    mod histories;
    mod interoperation;
    mod levels;
    mod lists;
    mod modes;
    mod other;
    mod rollback;
    mod rotated;
    mod stripped;
    mod support;
    mod swap;
    mod tamper;
    mod threshold;
    mod vectors;
}
