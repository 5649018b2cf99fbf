//! Layers: experiments of several models that never share a unit.

use crate::traffic::{Fault, Plan};

/// Refuses plans that claim the same slots of a layer; names the model and the field at fault.
pub fn check<'a>(plans: impl Iterator<Item = (&'a str, Option<&'a Plan>)>) -> Result<(), (String, Fault)> {
    let mut claimed: Vec<(&str, &crate::traffic::Layer)> = Vec::new();
    for (model, plan) in plans {
        let Some(layer) = plan.and_then(|plan| plan.layer.as_ref()) else { continue };
        let meets = |other: &crate::traffic::Layer| {
            other.name == layer.name && other.start < layer.end && layer.start < other.end
        };
        if let Some((other, theirs)) = claimed.iter().find(|(_, other)| meets(other)) {
            let words = format!(
                "slots {} to {} of layer '{}' meet those of model '{other}', {} to {}: take others",
                layer.start, layer.end, layer.name, theirs.start, theirs.end
            );
            return Err((model.to_owned(), Fault::new("layer.slots", words)));
        }
        claimed.push((model, layer));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Layer;

    fn plan(name: &str, start: u32, end: u32) -> Plan {
        Plan { layer: Some(Layer { name: name.into(), start, end }), ..Plan::default() }
    }

    #[test]
    fn only_slots_that_meet_are_refused() {
        let (a, b, c, d) = (plan("l", 0, 500), plan("l", 500, 1000), plan("other", 0, 1000), plan("l", 499, 501));
        assert_eq!(check([("a", Some(&a)), ("b", Some(&b)), ("c", Some(&c)), ("n", None)].into_iter()), Ok(()));
        let (model, fault) = check([("a", Some(&a)), ("d", Some(&d))].into_iter()).expect_err("they meet");
        assert!(model == "d" && fault.words.contains("model 'a'"), "{fault}");
    }
}
