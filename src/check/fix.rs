//! What the mutating webhook would add, written into the files.

use multinic_core::network::Fetched;

use super::judge::{patched, world};
use super::{Manifests, Options, collect};
use crate::manifest::{self, edit};
use crate::parallel;
use crate::report::Source;

/// A file that is to be changed.
#[derive(Debug)]
pub struct Fixed {
    /// The index of the file.
    pub source: usize,
    /// Its new text; `None` if it is written in a way that cannot be changed here.
    pub text: Option<String>,
    /// The objects that are changed, for people.
    pub objects: Vec<String>,
}

/// Returns the files to which the mutating webhook would add something, with their new texts.
pub fn fix(sources: &[Source], options: &Options) -> Vec<Fixed> {
    let manifests = Manifests::read(sources, options);
    let fetched = Fetched::default();
    let world = world(&manifests, &fetched);
    let work: Vec<_> = sources.iter().zip(&manifests.files).enumerate().collect();
    let fixed = parallel::map(&work, |(index, (source, file))| {
        let wanted = file.objects.iter().map(|object| patched(object, &world));
        let wanted: Vec<_> = wanted.collect();
        let changed = file.objects.iter().zip(&wanted);
        let changed = changed.filter(|(_, wanted)| wanted.is_some());
        let objects: Vec<_> = changed.map(|(object, _)| object.title.clone()).collect();
        (!objects.is_empty()).then(|| Fixed {
            source: *index,
            text: changed_text(&source.text, &wanted),
            objects,
        })
    });
    fixed.into_iter().flatten().collect()
}

/// The text in which the objects are as wanted; `None` if that cannot be written.
fn changed_text(text: &str, wanted: &[Option<serde_json::Value>]) -> Option<String> {
    let before = objects(text)?;
    let documents = manifest::parse(text).ok()?;
    let mut nodes = Vec::new();
    for document in &documents {
        collect(&document.root, &mut |node, _| nodes.push(node));
    }
    let mut edits = Vec::new();
    for (node, wanted) in nodes.into_iter().zip(wanted) {
        if let Some(wanted) = wanted {
            edits.extend(edit::edits(text, node, wanted)?);
        }
    }
    let changed = edit::apply(text, edits);
    // An alias, for example, would change what it stands for in other objects too.
    let after = objects(&changed)?;
    let unchanged = before.iter().zip(wanted);
    let is_wanted = unchanged.map(|(before, wanted)| wanted.as_ref().unwrap_or(before));
    is_wanted.eq(&after).then_some(changed)
}

/// The objects of a text that are judged.
fn objects(text: &str) -> Option<Vec<serde_json::Value>> {
    let documents = manifest::parse(text).ok()?;
    let mut objects = Vec::new();
    for document in &documents {
        collect(&document.root, &mut |node, _| objects.push(node.json()));
    }
    Some(objects)
}
