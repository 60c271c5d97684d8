// SPDX-License-Identifier: Apache-2.0

/// The median of some values, and how far they reach.
struct Spread {
    let median: Double
    let lowest: Double
    let highest: Double

    /// - Precondition: There is a value.
    init(_ values: [Double]) {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        lowest = sorted[0]
        highest = sorted[sorted.count - 1]
    }
}

/// What the engines of a case took, in rounds that run each of them once.
struct Measurement {
    /// What one engine took.
    struct Row {
        let name: String
        let operationsPerSecond: Spread
        let cpuNanosecondsPerOperation: Spread
        /// How fast it is as a multiple of C, and how much processor time an operation takes; nil when C did not run.
        ///
        /// C is the engine that this one names as its baseline.
        let ratioToC: Spread?
        let cpuRatioToC: Spread?
        /// The lowest processor time of an operation as a multiple of C's lowest: other work can only make both higher.
        let lowestCPURatioToC: Double?
        /// How fast it is as a multiple of epoll; nil when epoll did not run.
        let ratioToEpoll: Spread?
        /// How fast it is as a multiple of the bare engine, and how much processor time an operation takes; nil when there is none.
        let ratioToBare: Spread?
        let cpuRatioToBare: Spread?
        let note: String?
    }

    let rows: [Row]

    /// Runs the engines in turn, and begins each round with another one.
    init(of engines: [Case.Engine], rounds: Int, operations: Int) throws {
        // Not measured: it loads code and data, and lets the processor come up to speed.
        for engine in engines { _ = try engine.run(max(1, operations / 10)) }

        var samples = Array(repeating: [Sample](), count: engines.count)
        for round in 0..<rounds {
            for turn in engines.indices {
                let index = (round + turn) % engines.count
                samples[index].append(try engines[index].run(operations))
            }
        }
        rows = engines.indices.map { index in
            let engine = engines[index]
            let baseline = engines.firstIndex { $0.name == engine.baseline }
            func lowestCPU(_ samples: [Sample]) -> Double { Spread(samples.map(\.cpuNanosecondsPerOperation)).lowest }
            func ratio(to name: String, _ value: (Sample) -> Double) -> Spread? {
                let other = engines.firstIndex { $0.name == name }
                return other.map { Spread(zip(samples[index], samples[$0]).map { value($0) / value($1) }) }
            }
            return Row(
                name: engine.name,
                operationsPerSecond: Spread(samples[index].map(\.operationsPerSecond)),
                cpuNanosecondsPerOperation: Spread(samples[index].map(\.cpuNanosecondsPerOperation)),
                ratioToC: ratio(to: engine.baseline, \.operationsPerSecond),
                cpuRatioToC: ratio(to: engine.baseline, \.cpuNanosecondsPerOperation),
                lowestCPURatioToC: baseline.map { lowestCPU(samples[index]) / lowestCPU(samples[$0]) },
                ratioToEpoll: ratio(to: "epoll", \.operationsPerSecond),
                ratioToBare: engine.bare.flatMap { ratio(to: $0, \.operationsPerSecond) },
                cpuRatioToBare: engine.bare.flatMap { ratio(to: $0, \.cpuNanosecondsPerOperation) },
                note: samples[index].last?.note)
        }
    }
}
