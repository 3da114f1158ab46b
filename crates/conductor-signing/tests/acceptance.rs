//! The rows tamper, stripped, swap and modes, and the trust levels, through the public interface of the crate.

#[cfg(test)]
mod acceptance {
    mod levels;
    mod modes;
    mod stripped;
    mod support;
    mod swap;
    mod tamper;
}
