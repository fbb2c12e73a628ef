//! The accessors of a value, and the iterators over the values in it.

use std::borrow::Cow;
use std::ops::Range;

use super::fold::fold;
use super::{Document, Kind, Member, Node, Tag, Value, string};

impl<'d> Value<'d> {
    /// What this value is.
    pub fn kind(self) -> Kind {
        match self.node().tag {
            Tag::Array => Kind::Array,
            Tag::False => Kind::Bool(false),
            Tag::True => Kind::Bool(true),
            Tag::Null => Kind::Null,
            Tag::Number => Kind::Number,
            Tag::Object => Kind::Object,
            Tag::String | Tag::EscapedString | Tag::WideString => Kind::String,
        }
    }

    /// The bytes of the document that this value is written in, quotes and brackets included.
    pub fn span(self) -> Range<usize> {
        let node = self.node();
        node.start as usize..node.end as usize
    }

    /// The text of this value as it is written.
    pub fn raw(self) -> &'d str {
        self.document.text.get(self.span()).unwrap_or_default()
    }

    /// The document that this value is in.
    pub fn document(self) -> &'d Document<'d> {
        self.document
    }

    /// A string, its escapes decoded; a lone surrogate becomes U+FFFD.
    #[inline]
    pub fn str(self) -> Option<Cow<'d, str>> {
        match self.node().tag {
            Tag::String | Tag::WideString => Some(Cow::Borrowed(self.inner())),
            Tag::EscapedString => Some(Cow::Owned(string::unescape(self.inner()))),
            _ => None,
        }
    }

    /// A string in ASCII without escapes, as nearly all keys are.
    #[inline]
    pub fn plain(self) -> Option<&'d str> {
        (self.node().tag == Tag::String).then(|| self.inner())
    }

    /// `true` or `false`.
    pub fn bool(self) -> Option<bool> {
        match self.kind() {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A number that Go decodes straight into an `int`: digits with an optional sign, within
    /// 64 bits. `None` for `80.0`, `8e1` and `"80"`.
    pub fn integer(self) -> Option<i64> {
        (self.kind() == Kind::Number).then(|| self.raw().parse().ok())?
    }

    /// A number as Go's `float64`; infinite if Go refuses it as out of range.
    pub fn float(self) -> Option<f64> {
        (self.kind() == Kind::Number).then(|| self.raw().parse().ok())?
    }

    /// Whether this is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The elements of an array, in order; none for anything else.
    pub fn elements(self) -> impl Iterator<Item = Value<'d>> {
        self.children(Tag::Array)
    }

    /// The members of an object, in order; none for anything else.
    pub fn members(self) -> Members<'d> {
        Members(self.children(Tag::Object))
    }

    /// The value of the last member that is spelled exactly `key`: how a map is read.
    pub fn get(self, key: &str) -> Option<Self> {
        self.members()
            .filter(|member| member.key.is_str(key))
            .last()
            .map(|member| member.value)
    }

    /// The values that [`Self::get`] finds for several keys, in one pass.
    pub fn get_each<const N: usize>(self, keys: [&str; N]) -> [Option<Self>; N] {
        let mut found = [None; N];
        for Member { key, value } in self.members() {
            for (found, wanted) in found.iter_mut().zip(keys) {
                if key.is_str(wanted) {
                    *found = Some(value);
                }
            }
        }
        found
    }

    /// The values of all members whose key Go takes for the struct field `field`, in the order in
    /// which Go decodes them.
    pub fn fields(self, field: &'d str) -> impl Iterator<Item = Value<'d>> {
        self.members()
            .filter(move |member| member.key.folds(field))
            .map(|member| member.value)
    }

    /// What is left in the struct field `field` after Go decoded this object: the last value that
    /// is not `null`.
    pub fn field(self, field: &'d str) -> Option<Self> {
        self.fields(field).filter(|value| !value.is_null()).last()
    }

    /// The numbers in this value, however deep.
    pub fn numbers(self) -> impl Iterator<Item = Value<'d>> {
        self.tagged(Tag::Number)
    }

    /// The strings in this value, keys among them, however deep.
    pub fn strings(self) -> impl Iterator<Item = Value<'d>> {
        (self.index..self.node().next)
            .map(move |index| Value {
                document: self.document,
                index,
            })
            .filter(|value| value.kind() == Kind::String)
    }

    /// The objects in this value, itself among them, however deep.
    pub fn objects(self) -> impl Iterator<Item = Value<'d>> {
        self.tagged(Tag::Object)
    }

    /// Whether this is the string `text`.
    #[inline]
    pub fn is_str(self, text: &str) -> bool {
        let node = self.node();
        match node.tag {
            Tag::String | Tag::WideString => {
                node.length() == text.len() && self.inner_bytes() == text.as_bytes()
            }
            Tag::EscapedString => self.decodes_to(text),
            _ => false,
        }
    }

    /// Whether this is the value of a member with exactly this key.
    pub fn has_key(self, key: &str) -> bool {
        let before = self.index.checked_sub(1);
        before.is_some_and(|index| Self { index, ..self }.is_str(key))
    }

    /// Whether this is a key that Go takes for the struct field `field`; see
    /// [`folds`](super::folds).
    #[inline]
    pub fn folds(self, field: &str) -> bool {
        let node = self.node();
        match node.tag {
            // The letters that fold into a shorter one are not ASCII.
            Tag::String => {
                node.length() == field.len()
                    && self.inner_bytes().eq_ignore_ascii_case(field.as_bytes())
            }
            Tag::EscapedString | Tag::WideString => self.decodes_to_fold(field),
            _ => false,
        }
    }

    #[cold]
    #[inline(never)]
    fn decodes_to(self, text: &str) -> bool {
        string::unescapes_to(self.inner(), text.chars(), |own, wanted| own == wanted)
    }

    #[cold]
    #[inline(never)]
    fn decodes_to_fold(self, field: &str) -> bool {
        let fold_alike = |own, wanted| fold(own) == fold(wanted);
        string::unescapes_to(self.inner(), field.chars(), fold_alike)
    }

    /// Go's word for the type of this value in "cannot unmarshal … into Go value".
    pub fn type_name(self) -> &'static str {
        match self.kind() {
            Kind::Array => "array",
            Kind::Bool(_) => "bool",
            Kind::Null => "null",
            Kind::Number => "number",
            Kind::Object => "object",
            Kind::String => "string",
        }
    }

    /// The type of this value, for messages: "an array", "null".
    pub fn description(self) -> &'static str {
        match self.kind() {
            Kind::Array => "an array",
            Kind::Bool(_) => "a boolean",
            Kind::Null => "null",
            Kind::Number => "a number",
            Kind::Object => "an object",
            Kind::String => "a string",
        }
    }

    /// The text between the quotes of a string.
    fn inner(self) -> &'d str {
        let inner = self.document.text.get(self.node().inner());
        inner.unwrap_or_default()
    }

    /// The same as bytes, without a check of character boundaries.
    fn inner_bytes(self) -> &'d [u8] {
        let inner = self.document.text.as_bytes().get(self.node().inner());
        inner.unwrap_or_default()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "an index is only made from a node of the same document"
    )]
    pub(super) fn node(self) -> Node {
        self.document.nodes[self.index as usize]
    }

    fn tagged(self, tag: Tag) -> impl Iterator<Item = Value<'d>> {
        (self.index..self.node().next)
            .map(move |index| Value {
                document: self.document,
                index,
            })
            .filter(move |value| value.node().tag == tag)
    }

    fn children(self, tag: Tag) -> Children<'d> {
        let node = self.node();
        let end = if node.tag == tag { node.next } else { 0 };
        Children {
            next: Self {
                document: self.document,
                index: self.index + 1,
            },
            end,
        }
    }
}

/// The members of an object, in the order in which they are written.
#[derive(Clone, Debug)]
pub struct Members<'d>(Children<'d>);

/// The values in an array or an object, keys among them.
#[derive(Clone, Debug)]
struct Children<'d> {
    next: Value<'d>,
    end: u32,
}

impl<'d> Iterator for Members<'d> {
    type Item = Member<'d>;

    fn next(&mut self) -> Option<Member<'d>> {
        let key = self.0.next()?;
        Some(Member {
            key,
            value: self.0.next()?,
        })
    }
}

impl<'d> Iterator for Children<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        let child = self.next;
        (child.index < self.end).then(|| {
            self.next.index = child.node().next;
            child
        })
    }
}

impl PartialEq for Value<'_> {
    /// Whether two values mean the same to a reader of maps: same shape, same decoded strings and
    /// keys in the same order, numbers of the same text.
    fn eq(&self, other: &Self) -> bool {
        let nodes = |value: Self| {
            let document = value.document;
            (value.index..value.node().next).map(move |index| Value { document, index })
        };
        let (ours, theirs) = (nodes(*self), nodes(*other));
        ours.len() == theirs.len()
            && ours.zip(theirs).all(|(a, b)| {
                a.node().next - a.index == b.node().next - b.index
                    && match (a.kind(), b.kind()) {
                        (Kind::Number, Kind::Number) => a.raw() == b.raw(),
                        (Kind::String, Kind::String) => a.str() == b.str(),
                        (a, b) => a == b,
                    }
            })
    }
}
