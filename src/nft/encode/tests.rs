#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::Ipv4Addr;

use nlink::netlink::nftables::{Expr, Verdict};

use super::*;
use crate::nft::model::{Field, Rule, Step};

#[test]
fn a_drop_always_counts_first() {
    let rule = Rule::new([Step::Drop], "test");
    let expressions = expressions::of("t", &rule).unwrap();
    assert!(matches!(expressions[..], [Expr::Counter, Expr::Verdict(Verdict::Drop)]), "{expressions:?}");
}

#[test]
fn a_key_of_five_fields_is_refused() {
    let step = Step::In { key: vec![Field::Saddr; 5], set: "s".into(), is: true };
    let error = expressions::of("t", &Rule::new([step], "five")).unwrap_err();
    assert_eq!(error.to_string(), "encode `five`: a key of more than 4 fields");
}

#[test]
fn elements_are_read_as_their_types_say() {
    let bytes = [203, 0, 113, 2, 0x14, 0x51, 0, 0];
    assert_eq!(
        values(&[Type::Addr, Type::Port], &bytes),
        [Value::Addr(Ipv4Addr::new(203, 0, 113, 2)), Value::Port(5201)]
    );
    assert_eq!(values(&[Type::Port], &[0x14, 0x51]), [Value::Port(5201)]);
    assert_eq!(values(&[Type::Mark], &7u32.to_ne_bytes()), [Value::Mark(7)]);
}

#[test]
fn a_text_attribute_is_padded_and_knows_its_length() {
    let a = text_attribute(1, "natlab");
    assert_eq!(a.len(), 12);
    assert_eq!(u16::from_ne_bytes([a[0], a[1]]), 11);
    assert_eq!(&a[4..], b"natlab\0\0");
}
