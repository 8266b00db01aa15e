//! Frames and descriptors over a local socket.

use crate::wire::MAX_FRAME_BYTES;
use nix::cmsg_space;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

const LENGTH_BYTES: usize = 4;

/// One end.
#[derive(Debug)]
pub(crate) struct Connection(UnixStream);

impl Connection {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    pub(crate) fn send(&self, message: &impl Serialize) -> io::Result<()> {
        self.send_with(message, None)
    }

    /// Sends a message, and a descriptor along with it.
    pub(crate) fn send_with(&self, message: &impl Serialize, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let payload = postcard::to_stdvec(message).map_err(io::Error::other)?;
        if payload.len() > MAX_FRAME_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message is too long"));
        }
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
        let descriptors: Vec<RawFd> = descriptor.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let control: &[ControlMessage<'_>] = if descriptors.is_empty() { &[] } else { &rights };
        let slices = [IoSlice::new(&length)];
        let sent = sendmsg::<()>(self.0.as_raw_fd(), &slices, control, MsgFlags::MSG_NOSIGNAL, None)?;
        if sent != LENGTH_BYTES {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (&self.0).write_all(&payload)
    }

    /// The next message with its descriptor, if one came along; `None` at the end.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Option<OwnedFd>)>> {
        let mut length = [0; LENGTH_BYTES];
        let mut descriptor = None;
        let mut have = 0;
        while have < LENGTH_BYTES {
            let mut space = cmsg_space!(RawFd);
            let mut slices = [IoSliceMut::new(length.get_mut(have..).unwrap_or_default())];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let received = match recvmsg::<()>(self.0.as_raw_fd(), &mut slices, Some(&mut space), flags) {
                Err(nix::errno::Errno::EINTR) => continue,
                received => received?,
            };
            for message in received.cmsgs()? {
                if let ControlMessageOwned::ScmRights(descriptors) = message {
                    descriptor = descriptors.into_iter().map(owned).next_back().or(descriptor);
                }
            }
            match received.bytes {
                0 if have == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => have += count,
            }
        }
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_FRAME_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
        }
        let mut payload = vec![0; length];
        (&self.0).read_exact(&mut payload)?;
        let message = postcard::from_bytes(&payload).map_err(io::Error::other)?;
        Ok(Some((message, descriptor)))
    }

    /// Ends the conversation: the other end reads to the end, then learns of it.
    pub(crate) fn close(&self) {
        // A socket that is closed already needs no more.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[expect(
    unsafe_code,
    reason = "the kernel made the descriptor for this very message, and nobody else knows it"
)]
fn owned(descriptor: RawFd) -> OwnedFd {
    // SAFETY: SCM_RIGHTS installs a new descriptor in this process with each message received.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn messages_and_descriptors_arrive_in_order() {
        let (one, other) = UnixStream::pair().unwrap();
        let (one, other) = (Connection::new(one), Connection::new(other));
        let file = File::open("/dev/null").unwrap();
        one.send(&vec![1_u8; 1000]).unwrap();
        one.send_with(&vec![2_u8], Some(file.as_fd())).unwrap();
        drop(one);
        let (first, none) = other.receive::<Vec<u8>>().unwrap().unwrap();
        assert_eq!((first.len(), none.is_none()), (1000, true));
        let (second, descriptor) = other.receive::<Vec<u8>>().unwrap().unwrap();
        assert_eq!((second, descriptor.is_some()), (vec![2], true));
        assert!(other.receive::<Vec<u8>>().unwrap().is_none());
    }

    #[test]
    fn a_length_without_bounds_is_refused() {
        let (one, other) = UnixStream::pair().unwrap();
        (&one).write_all(&[0xff; 8]).unwrap();
        assert!(Connection::new(other).receive::<Vec<u8>>().is_err());
    }
}
