//! Lists in sentences. Pure.

/// `a`, `a or b`, `a, b or c`.
pub fn list<S: AsRef<str>>(items: &[S], conjunction: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} {conjunction} {}", first.join(", "), last.as_ref())
        }
    }
}

/// `a`, `a or b`, `one of a, b, c`.
pub fn any_of<S: AsRef<str>>(items: &[S]) -> String {
    if items.len() > 2 {
        let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
        format!("one of {}", items.join(", "))
    } else {
        list(items, "or")
    }
}
