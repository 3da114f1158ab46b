//! The rows tamper, swap and modes, and the trust levels, through the public interface of the crate.

#[cfg(test)]
mod acceptance {
    mod levels;
    mod modes;
    mod support;
    mod swap;
    mod tamper;
}
