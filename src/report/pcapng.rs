//! What one node's tap saw, as a pcapng file for Wireshark (IETF draft-ietf-opsawg-pcapng). Pure: writes to what it is
//! given.
//!
//! Written here, not with a library: three block types are needed, the crates that write them were last released in
//! 2023 or are release candidates, and a format whose every field is a length is best checked by another program
//! (tshark).

mod checksum;

pub use checksum::complete_checksum;

use std::io::{self, Write};

use crate::event::Direction;

/// `LINKTYPE_RAW`: packets begin with their IPv4 or IPv6 header.
const LINKTYPE_RAW: u16 = 101;

/// Bytes of the longest option value.
const LONGEST_OPTION: usize = u16::MAX as usize;

/// Block types, §4.
mod block {
    pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// Option codes, §3.5 and those of each block.
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const SHB_HARDWARE: u16 = 2;
    pub(super) const SHB_OS: u16 = 3;
    pub(super) const SHB_USERAPPL: u16 = 4;
    pub(super) const IF_NAME: u16 = 2;
    pub(super) const IF_TSRESOL: u16 = 9;
    pub(super) const EPB_FLAGS: u16 = 2;
}

/// One packet of a capture file.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Name of the interface inside the node.
    pub interface: &'a str,
    /// Nanoseconds since the epoch.
    pub realtime_ns: u64,
    /// Seen from the node.
    pub direction: Direction,
    /// From the IP header on, complete.
    pub bytes: &'a [u8],
    /// Shown by Wireshark above the packet.
    pub comment: Option<&'a str>,
}

/// Writes one section: a header, then packets, each interface being described before its first packet.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    node: String,
    interfaces: Vec<String>,
    block: Vec<u8>,
    packet: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the section header. Interfaces will be named `NODE:INTERFACE`, so that the files of several nodes can be
    /// merged.
    ///
    /// # Errors
    /// Those of `out`, here and below; it should be buffered.
    pub fn new(out: W, node: &str) -> io::Result<Self> {
        let mut writer =
            Writer { out, node: node.to_owned(), interfaces: Vec::new(), block: Vec::new(), packet: Vec::new() };
        writer.put32(0x1a2b_3c4d); // byte-order magic
        writer.put16(1); // version 1.0
        writer.put16(0);
        writer.put(&u64::MAX.to_le_bytes()); // length of the section: not known
        writer.option(option::SHB_HARDWARE, std::env::consts::ARCH.as_bytes());
        writer.option(option::SHB_OS, std::env::consts::OS.as_bytes());
        writer.option(option::SHB_USERAPPL, concat!("natlab ", env!("CARGO_PKG_VERSION")).as_bytes());
        writer.finish_block(block::SECTION_HEADER)?;
        Ok(writer)
    }

    /// Writes one packet, with its checksum completed where the sender had left that to its network card.
    ///
    /// # Errors
    /// `InvalidInput` for a packet of 4 GiB; otherwise those of the output.
    pub fn packet(&mut self, record: &Record<'_>) -> io::Result<()> {
        let length = u32::try_from(record.bytes.len()).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let interface = self.interface(record.interface)?;
        let mut packet = std::mem::take(&mut self.packet);
        packet.clear();
        packet.extend_from_slice(record.bytes);
        complete_checksum(&mut packet);

        self.put32(interface);
        self.put32((record.realtime_ns >> 32) as u32);
        self.put32(record.realtime_ns as u32);
        self.put32(length); // captured
        self.put32(length); // on the wire
        self.put_padded(&packet);
        self.packet = packet;
        if let Some(comment) = record.comment {
            let whole_characters = comment.floor_char_boundary(LONGEST_OPTION);
            self.option(option::COMMENT, &comment.as_bytes()[..whole_characters]);
        }
        let flags: u32 = match record.direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        self.option(option::EPB_FLAGS, &flags.to_le_bytes());
        self.finish_block(block::ENHANCED_PACKET)
    }

    /// Flushes and gives the output back.
    ///
    /// # Errors
    /// Those of flushing.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    /// The number of an interface, described in the file now if it was not yet.
    fn interface(&mut self, name: &str) -> io::Result<u32> {
        if let Some(at) = self.interfaces.iter().position(|known| known == name) {
            return Ok(at as u32);
        }
        self.interfaces.push(name.to_owned());
        self.put16(LINKTYPE_RAW);
        self.put16(0); // reserved
        self.put32(0); // no limit to what is captured of a packet
        self.option(option::IF_NAME, format!("{}:{name}", self.node).as_bytes());
        self.option(option::IF_TSRESOL, &[9]); // 10^-9 s
        self.finish_block(block::INTERFACE_DESCRIPTION)?;
        Ok((self.interfaces.len() - 1) as u32)
    }

    /// Ends the options and writes the block that was collected.
    fn finish_block(&mut self, kind: u32) -> io::Result<()> {
        self.option(option::END, &[]);
        let length = (self.block.len() as u32 + 12).to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&length)?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&length)?;
        self.block.clear();
        Ok(())
    }

    /// An option; a value that is too long for one is cut.
    fn option(&mut self, code: u16, value: &[u8]) {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.put16(code);
        self.put16(length);
        self.put_padded(&value[..usize::from(length)]);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
    }

    fn put16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    fn put32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    /// Everything in a block begins at a multiple of four bytes.
    fn put_padded(&mut self, bytes: &[u8]) {
        self.put(bytes);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests;
