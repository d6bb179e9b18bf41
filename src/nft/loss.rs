//! Loss by chance, as a table of the netdev family: what it holds, and how it reads as text. Pure.
//!
//! A netdev table sees packets at the interface itself, outside of everything that a node does with them: before connection
//! tracking sees one that comes in, and after the last rule of one that goes out. So a NAT never takes a lost packet for one
//! that it has to answer for, and ports of a bridge lose their own packets, which the hooks of IP do not see. It is loaded
//! where a link comes from, on the side of the Internet. A tap on the other end then sees what its node sent although it was
//! lost on the way, and does not see what was lost before it arrived, as on a real link.
//!
//! Only IPv4 is lost, not ARP: a lost ARP request costs a second, which is no property of a path. `numgen random` draws from
//! the kernel's own generator, which cannot be seeded: what was lost is counted instead.

use std::fmt::{self, Display, Formatter};

/// Name of the table in a node's namespace.
pub const TABLE: &str = "natlab_loss";
/// All packets, as a share.
pub const WHOLE: u16 = 10_000;

/// Which way a packet goes, seen from the node whose interface it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Course {
    /// It arrives.
    In,
    /// It leaves.
    Out,
}

/// What an interface loses of the packets of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// At most 15 characters.
    pub interface: String,
    /// Of which packets.
    pub course: Course,
    /// How many of [`WHOLE`].
    pub share: u16,
}

/// How many packets there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Lost.
    pub dropped: u64,
    /// Let through.
    pub passed: u64,
}

impl Leak {
    /// The name of its chain, by its place in the table.
    pub fn chain(&self, place: usize) -> String {
        format!("{}_{place}", self.course)
    }

    /// The comments of its two rules: that of what is lost, and that of what passes.
    pub fn comments(&self) -> [String; 2] {
        ["lost", "passed"].map(|what| format!("{} {}: {what}", self.interface, self.course))
    }
}

impl Display for Course {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Course::In => "in",
            Course::Out => "out",
        })
    }
}

/// The table in nft's own syntax.
pub fn text(leaks: &[Leak]) -> String {
    let mut out = format!("table netdev {TABLE}\ndelete table netdev {TABLE}\ntable netdev {TABLE} {{\n");
    for (place, leak) in leaks.iter().enumerate() {
        let hook = match leak.course {
            Course::In => "ingress",
            Course::Out => "egress",
        };
        let (chain, [lost, passed]) = (leak.chain(place), leak.comments());
        let Leak { interface, share, .. } = leak;
        out += &format!(
            "  chain {chain} {{\n    type filter hook {hook} device \"{interface}\" priority 0; policy accept;\n    meta \
             protocol ip numgen random mod {WHOLE} < {share} counter drop comment \"{lost}\"\n    meta protocol ip counter \
             comment \"{passed}\"\n  }}\n"
        );
    }
    out + "}\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text() {
        let leak = |course, share| Leak { interface: "to-alice".to_owned(), course, share };
        insta::assert_snapshot!(text(&[leak(Course::In, 2000), leak(Course::Out, 25)]));
    }
}
