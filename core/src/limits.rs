//! How much of an object is read for its meaning.
//!
//! The author of a Pod or a network chooses its size. What is larger than real objects are is not
//! read: the rules `beyond-limits` (for requested networks), `invalid-node-selector` and
//! `unenforced-node-selector` (for requirements on nodes) name the limit, and `/mutate` leaves the
//! object as it is. Everything else is read in linear time.

/// The bytes of an annotation. The API server stores no more in all annotations of an object
/// together (`TotalAnnotationSizeLimitB` in apimachinery's `pkg/api/validation/objectmeta.go`), but
/// checks it only after the mutating webhooks.
pub const MAX_ANNOTATION: usize = 256 << 10;

/// The networks that one annotation requests. They are attached one after another, in some tenths
/// of a second each, and the kubelet gives up on a sandbox after a few minutes.
pub const MAX_ATTACHMENTS: usize = 256;

/// The bytes of a `spec.config`.
pub const MAX_CONFIG: usize = 256 << 10;

/// The bytes of a network's nodeSelector: some 1,500 node names.
pub const MAX_SELECTOR: usize = 64 << 10;

/// The requirements of a network's nodeSelector.
pub const MAX_SELECTOR_REQUIREMENTS: usize = 64;

/// The requirements of all networks of a Pod together, each counted once.
pub const MAX_REQUIREMENTS: usize = 256;

/// The bytes of a Pod's `spec.affinity`, and of its `spec.nodeSelector`, as they are written.
pub const MAX_PLACEMENT: usize = 64 << 10;

/// The bytes of a patch: the requirements of the networks, times the node selector terms to which
/// they have to be added.
pub const MAX_PATCH: usize = 256 << 10;
