//! The table of [`crate::nft::loss`] as netlink messages, and its counters.

use nlink::netlink::nftables::{
    BaseChain, ByteorderOp, Chain, CmpOp, Expr, Family, FilterHook, MetaKey, NumgenKind, Priority, Register, Rule,
    Verdict,
};
use nlink::netlink::{Connection, Nftables};

use super::{Error, failed};
use crate::nft::loss::{Count, Course, Leak, TABLE, WHOLE};

const R0: Register = Register::R0;
/// `ETH_P_IP`, as it stands in a frame.
const IPV4: [u8; 2] = [0x08, 0x00];

/// Loads the table; from then on packets are lost. Needs egress hooks, which Linux has since 5.16.
pub async fn load_loss(conn: &Connection<Nftables>, leaks: &[Leak]) -> Result<(), Error> {
    let mut tx = conn.transaction().add_table(TABLE, Family::Netdev);
    for (place, leak) in leaks.iter().enumerate() {
        let name = leak.chain(place);
        let hook = match leak.course {
            Course::In => FilterHook::ingress(leak.interface.as_str()),
            Course::Out => FilterHook::egress(leak.interface.as_str()),
        };
        let chain = Chain::new(TABLE, name.as_str()).map_err(failed("name a chain of", TABLE))?;
        tx = tx.add_chain(chain.family(Family::Netdev).base(BaseChain::filter(hook, Priority::from_i32(0))));
        let [lost, passed] = leak.comments();
        let rule = |expressions, why: &str| {
            Rule::new(TABLE, name.as_str()).family(Family::Netdev).expressions(expressions).comment(why)
        };
        tx = tx.add_rule(rule(dropping(leak.share), &lost)).add_rule(rule(counting(), &passed));
    }
    tx.commit(conn).await.map_err(failed("load", TABLE))
}

fn is_ipv4() -> Vec<Expr> {
    vec![Expr::Meta { dreg: R0, key: MetaKey::Protocol }, Expr::Cmp { sreg: R0, op: CmpOp::Eq, data: IPV4.to_vec() }]
}

/// The kernel draws a number in its own byte order and compares bytes, so the number is turned round first.
fn dropping(share: u16) -> Vec<Expr> {
    let mut all = is_ipv4();
    all.push(Expr::Numgen { dreg: R0, kind: NumgenKind::Random, modulus: u32::from(WHOLE), offset: 0 });
    all.push(Expr::Byteorder { sreg: R0, dreg: R0, op: ByteorderOp::Hton, len: 4, size: 4 });
    all.push(Expr::Cmp { sreg: R0, op: CmpOp::Lt, data: u32::from(share).to_be_bytes().to_vec() });
    all.extend([Expr::Counter, Expr::Verdict(Verdict::Drop)]);
    all
}

fn counting() -> Vec<Expr> {
    let mut all = is_ipv4();
    all.push(Expr::Counter);
    all
}

/// What was lost and what passed so far, in the order of `leaks`, with which the table was loaded.
pub async fn lost(conn: &Connection<Nftables>, leaks: &[Leak]) -> Result<Vec<Count>, Error> {
    let rules = conn.list_rules(TABLE, Family::Netdev).await.map_err(failed("read the counters of", TABLE))?;
    let packets = |why: &str| {
        let mine = rules.iter().filter(|r| r.table == TABLE && r.comment_text.as_deref() == Some(why));
        mine.filter_map(|r| r.counter()).map(|(packets, _bytes)| packets).sum()
    };
    Ok(leaks
        .iter()
        .map(|leak| {
            let [dropped, passed] = leak.comments().map(|why| packets(&why));
            Count { dropped, passed }
        })
        .collect())
}
