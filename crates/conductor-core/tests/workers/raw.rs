//! System calls as a worker that was taken over makes them: by number, without any library.

/// Makes a system call, and returns its error number, or 0 if it succeeds.
pub(crate) fn raw(number: libc::c_long, arguments: &[usize]) -> i32 {
    let value = value(number, arguments);
    if value == -1 { std::io::Error::last_os_error().raw_os_error().unwrap_or(-1) } else { 0 }
}

/// As [`raw`], but returns the value of the call, -1 if it fails.
pub(crate) fn value(number: libc::c_long, arguments: &[usize]) -> libc::c_long {
    let mut six = [0; 6];
    six[..arguments.len()].copy_from_slice(arguments);
    let [a, b, c, d, e, f] = six;
    #[expect(unsafe_code, reason = "the library's wrappers would not make what a filter is to refuse")]
    // SAFETY: pointers among the arguments are to memory that outlives the call, which each caller upholds by borrowing
    // it. A call that is refused does nothing to the memory or the threads of this process. If a call is not refused,
    // the wall is broken, and a process that then crashes fails the test as well.
    unsafe {
        libc::syscall(number, a, b, c, d, e, f)
    }
}

/// Makes a system call by its name in `libc`, with arguments of any type that casts to a machine word.
macro_rules! call {
    ($name:ident $(, $argument:expr)* $(,)?) => {
        $crate::raw::raw(libc::$name, &[$($argument as usize),*])
    };
}

pub(crate) use call;
