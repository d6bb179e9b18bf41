//! Files that are not scenarios by their form: encoding, syntax, keys, types, names.

use super::{good_but, problems};
use insta::assert_snapshot;

#[test]
fn an_empty_file() {
    assert_snapshot!("empty", problems(""));
    assert_eq!(problems(" \n\t\n"), problems(""));
    assert_eq!(problems("# nothing but a comment\n"), problems(""));
}

#[test]
fn a_file_that_is_not_utf8() {
    assert_snapshot!("not_utf8", problems(b"# a scenario\nname = \"caf\xe9\"\n"));
}

#[test]
fn a_file_that_is_too_large() {
    assert_snapshot!("too_large", problems(vec![b'x'; 19 << 20]));
}

#[test]
fn syntax_errors_do_not_hide_each_other_or_what_is_wrong_elsewhere() {
    let text = r#"
seed =
repeats = 0

[peer.alice
behind = "home"

[peer.bob]
behind = office
behnd = "x"

[nat.home]
preset = "symetric"
lifetime = "1s

[server.turn]
type = "turn"
type = "turn"
"#;
    assert_snapshot!("syntax", problems(text));
}

#[test]
fn values_nested_five_thousand_deep() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("name = {}1{}\n", open.repeat(5000), close.repeat(5000));
        assert!(problems(&text).contains("nested too deeply"), "{open}");
    }
    assert_snapshot!("nested_brackets", problems(format!("name = {}{}", "[".repeat(5000), "]".repeat(5000))));
    assert_snapshot!("nested_keys", problems(format!("{}a = 1\n", "a.".repeat(5000))));
    assert_snapshot!("nested_headers", problems(format!("[{}a]\n", "a.".repeat(5000))));
}

#[test]
fn unknown_keys() {
    let text = good_but(&[
        ("behind = \"home\"", "behnd = \"home\"\nturn_transport = \"tcp\"\npolicy = \"relay\"\nseed = 3\ncolour = 1"),
        ("preset = \"symmetric\"", "preset = \"symmetric\"\nfilter = \"adf\""),
        ("type = \"stun\"", "type = \"stun\"\naddress = \"198.51.100.7\""),
        ("[[expect]]", "[peeer.carol]\n[ices]\n[[expect]]\nbecuase = \"x\""),
    ]);
    assert_snapshot!("unknown_keys", problems(text));
}

#[test]
fn wrong_types() {
    let text = r#"
name = 1
seed = "1"
repeats = 1.5
offers = 3
deadline = 15
network = "203.0.113.0/24"
nat = []

[peer]
alice = "home"

[peer.bob]
behind = true
stun = "stun"
turn-transport = 1
agent = ["./agent"]
password = 1979-05-27

[ice]
answer-delay = 2.5

[expect]
outcome = "direct"
"#;
    assert_snapshot!("wrong_types", problems(text));
}

#[test]
fn unknown_names_of_values() {
    let text = good_but(&[
        ("preset = \"symmetric\"", "preset = \"symetric\""),
        (
            "preset = \"port-restricted-cone\"",
            "mapping = \"edm\"\nfiltering = \"address-dependant\"\nhairpinning = \"on\"",
        ),
        ("behind = \"home\"", "behind = \"home\"\nagent = \"webrtc\"\nice-role = \"controling\"\npolicy = \"relayed\""),
        ("type = \"turn\"", "type = \"TURN\"\ntransports = [\"udp\", \"tls\"]\nimplementation = \"pion\""),
        ("outcome = \"relayed\"", "outcome = [\"relay\", \"direct\", 3]\nlocal = \"serverreflexive\""),
    ]);
    assert_snapshot!("unknown_values", problems(text));
}

#[test]
fn numbers_out_of_range_and_strings_that_are_not_what_they_should_be() {
    let text = good_but(&[
        (
            "\n[peer.alice]",
            "seed = -1\nrepeats = 100000000000000000000\ndeadline = \"soon\"\nhello-deadline = \"15\"\n\
             [peer.alice]\naddress = \"10.0.0.256\"",
        ),
        ("type = \"turn\"", "type = \"turn\"\nport = 65535\naddresses = []"),
        ("[[expect]]", "[network]\nwan = \"203.0.113.0\"\n[[expect]]\nconnect-within = \"0.5ms\""),
    ]);
    assert_snapshot!("out_of_range", problems(text));
}

#[test]
fn axes_and_shares_that_are_not_what_they_should_be() {
    let text = good_but(&[(
        "preset = \"symmetric\"",
        "preset = \"symmetric\"\nports = \"overlaoding\"\nport-step = -3\nport-range = \"40999-40000\"\n\
         port-block = 0\naddresses = 17\npooling = \"random\"\nrefresh = \"out\"\nloss = \"5\"\ntcp = \"eim\"\n\
         forward = { protocol = \"sctp\", port = 70000 }",
    )]);
    assert_snapshot!("axes_and_shares", problems(&text));
}

#[test]
fn missing_keys() {
    let text = good_but(&[("type = \"stun\"", ""), ("behind = \"home\"", "behind = \"home\"\nagent = {}")]);
    assert_snapshot!("missing_keys", problems(text));
}
