//! The channel between broker, launcher and keeper: a pair of sockets that keeps messages apart, some of which carry a
//! descriptor.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::order::MAX_WORD_BYTES;

/// One end of the channel.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

/// A message, and the descriptor that came with it.
pub(super) type Message<T> = (T, Option<OwnedFd>);

impl Channel {
    /// Both ends.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(near), far))
    }

    /// The end that a launcher or keeper was started with.
    pub(super) const fn from_end(end: OwnedFd) -> Self {
        Self(end)
    }

    /// The same end once more, for a child.
    pub(super) fn try_clone(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }

    /// Sends a message, with a descriptor if one is given. There is room for the few that are ever sent, so it waits for nobody.
    pub(super) fn send(
        &self,
        message: &impl Serialize,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        // No memory is asked for: a keeper that says how its program ended gets none any more.
        let mut bytes = [0; MAX_WORD_BYTES];
        let bytes = postcard::to_slice(message, &mut bytes).map_err(io::Error::other)?;
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.as_slice();
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(ErrorKind::InvalidInput.into());
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.0, &[IoSlice::new(bytes)], &mut control, flags)?;
        Ok(())
    }

    /// Waits for the next message; `None` if the other end is closed.
    pub(super) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<Message<T>>> {
        self.take(RecvFlags::empty())
    }

    /// Takes the message that is there; fails with [`ErrorKind::WouldBlock`] if there is none yet.
    pub(super) fn try_receive<T: DeserializeOwned>(&self) -> io::Result<Option<Message<T>>> {
        self.take(RecvFlags::DONTWAIT)
    }

    fn take<T: DeserializeOwned>(&self, flags: RecvFlags) -> io::Result<Option<Message<T>>> {
        let mut bytes = [0; MAX_WORD_BYTES];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let received = loop {
            match recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags) {
                // The other end is gone with messages that it did not read. The kernel says so once, before what it sent.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
                received => break received?,
            }
        };
        let descriptor = control.drain().find_map(|message| {
            if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
                descriptors.next()
            } else {
                None
            }
        });
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(ErrorKind::InvalidData.into());
        }
        let bytes = bytes.get(..received.bytes).unwrap_or_default();
        let message = postcard::from_bytes(bytes).map_err(io::Error::other)?;
        Ok(Some((message, descriptor)))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::order::{Instruction, Word};
    use super::*;

    #[test]
    fn messages_stay_apart_and_carry_descriptors() {
        let (near, far) = Channel::pair().expect("sockets");
        let far = Channel::from_end(far);
        near.send(&Instruction::Prepare { confined: true }, None).expect("sent");
        let file = super::super::order::file_of("test", b"text").expect("a file");
        near.send(&Instruction::Go, Some(file.as_fd())).expect("sent");
        let (begin, none) = far.receive::<Instruction>().expect("received").expect("a message");
        assert!(begin == Instruction::Prepare { confined: true } && none.is_none());
        let (_, descriptor) = far.receive::<Instruction>().expect("received").expect("a message");
        let text = io::read_to_string(std::fs::File::from(descriptor.expect("a file"))).expect("text");
        assert_eq!(text, "text");
        let nothing = far.try_receive::<Word>().expect_err("nothing yet");
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        drop(near);
        assert!(far.receive::<Word>().expect("the end").is_none());
        assert_eq!(far.send(&Word::Ready, None).expect_err("nobody").kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn the_last_word_of_an_end_that_left_messages_unread_is_heard() {
        let (near, far) = Channel::pair().expect("sockets");
        let far = Channel::from_end(far);
        near.send(&Instruction::Prepare { confined: true }, None).expect("sent");
        far.send(&Word::Ready, None).expect("sent");
        drop(far);
        let (word, _) = near.try_receive::<Word>().expect("received").expect("a word");
        assert_eq!(word, Word::Ready);
        assert!(near.try_receive::<Word>().expect("the end").is_none());
    }
}
