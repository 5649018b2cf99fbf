//! Pairwise probabilities to one per class: the fixed point that LIBSVM iterates to, with its bounds.
//!
//! Wu, Lin and Weng, "Probability estimates for multi-class classification by pairwise coupling", 2004,
//! second method.

/// Pairwise probabilities to one per class, which add up to 1.
///
/// `against` is `[classes, classes]`, row against column; its diagonal is not read.
pub fn couple(against: &[f64], classes: usize) -> Vec<f64> {
    const ROUNDS: usize = 100;
    let enough = 0.005 / classes as f64;
    let r = |i: usize, j: usize| against[i * classes + j];
    let mut q = vec![0.0; classes * classes];
    for i in 0..classes {
        for j in (0..classes).filter(|j| *j != i) {
            q[i * classes + i] += r(j, i) * r(j, i);
            q[i * classes + j] = -r(j, i) * r(i, j);
        }
    }
    let mut p = vec![1.0 / classes as f64; classes];
    for _ in 0..ROUNDS {
        let mut qp: Vec<f64> =
            q.chunks_exact(classes).map(|row| row.iter().zip(&p).map(|(q, p)| q * p).sum()).collect();
        let mut pqp: f64 = p.iter().zip(&qp).map(|(p, qp)| p * qp).sum();
        if qp.iter().all(|qp| (qp - pqp).abs() < enough) {
            break;
        }
        for i in 0..classes {
            let own = q[i * classes + i];
            let step = (pqp - qp[i]) / own;
            p[i] += step;
            pqp = (pqp + step * (step * own + 2.0 * qp[i])) / (1.0 + step) / (1.0 + step);
            for j in 0..classes {
                qp[j] = (qp[j] + step * q[i * classes + j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coupling_keeps_what_agrees() {
        // Where the pairs come from one distribution, that is what comes out.
        let p = [0.5, 0.3, 0.2];
        let against: Vec<f64> =
            (0..9).map(|at| if at / 3 == at % 3 { 0.0 } else { p[at / 3] / (p[at / 3] + p[at % 3]) }).collect();
        for (got, want) in couple(&against, 3).iter().zip(p) {
            assert!((got - want).abs() < 2e-3, "{got} for {want}");
        }
        assert!((couple(&against, 3).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
