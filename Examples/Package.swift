// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// What a careful user of URing sets; no experimental feature is needed, and no source file says `unsafe`.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

let uring = Target.Dependency.product(name: "URing", package: "swift-uring")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "uring-examples",
    products: [
        .executable(name: "cat", targets: ["Cat"]),
        .executable(name: "copy", targets: ["Copy"]),
        .executable(name: "echo", targets: ["Echo"]),
        .executable(name: "event-loop", targets: ["EventLoopProgram"]),
        .executable(name: "file-pipeline", targets: ["FilePipeline"]),
        .executable(name: "programs", targets: ["Programs"]),
        .executable(name: "server", targets: ["Server"]),
        .executable(name: "sharded-echo", targets: ["ShardedEcho"]),
        .executable(name: "udp-relay", targets: ["UDPRelay"]),
        .executable(name: "transmit", targets: ["Transmit"]),
        .executable(name: "tunnel", targets: ["Tunnel"]),
        // For other programs to use.
        .library(name: "CompletionPrograms", targets: ["CompletionPrograms"]),
        .library(name: "EventLoop", targets: ["EventLoop"]),
        // What the benchmarks use as well.
        .library(name: "Support", targets: ["Support", "CProcess"]),
        .library(name: "Framing", targets: ["Framing"]),
    ],
    dependencies: [
        .package(name: "swift-uring", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
    ],
    targets: [
        .target(name: "Support", dependencies: ["CProcess", uring, system, argumentParser], swiftSettings: strict),
        .executableTarget(name: "Cat", dependencies: ["Support", uring, system, argumentParser], swiftSettings: strict),
        .executableTarget(name: "Copy", dependencies: ["Support", uring, system, argumentParser], swiftSettings: strict),
        .executableTarget(
            name: "Echo", dependencies: ["Support", "CEpollEcho", uring, system, argumentParser], swiftSettings: strict),
        .target(name: "EventLoop", dependencies: ["CEventLoop", uring, system], swiftSettings: strict),
        .executableTarget(
            name: "EventLoopProgram", dependencies: ["EventLoop", "CPipeEngines", "Support", uring, system, argumentParser],
            swiftSettings: strict),
        .executableTarget(name: "FilePipeline", dependencies: ["Support", uring, system, argumentParser], swiftSettings: strict),
        // Completion programs: the model, programs in it, and the command.
        .target(name: "CompletionPrograms", dependencies: ["CPrograms", "CThread", uring, system], swiftSettings: strict),
        .target(name: "ExamplePrograms", dependencies: ["CompletionPrograms", uring, system], swiftSettings: strict),
        .executableTarget(
            name: "Programs",
            dependencies: ["CompletionPrograms", "CPrograms", "CProcess", "ExamplePrograms", "Support", uring, system, argumentParser],
            swiftSettings: strict),
        // One ring for each thread, and connections that go from ring to ring.
        .target(name: "Sharding", dependencies: ["CThread", "Support", uring, system], swiftSettings: strict),
        // The requests and answers of `server`, and its timers.
        .target(name: "Framing", dependencies: ["CFraming", uring], swiftSettings: strict),
        .executableTarget(
            name: "Server", dependencies: ["Framing", "Sharding", "Support", "CFraming", "CProcess", uring, system, argumentParser],
            swiftSettings: strict),
        .executableTarget(
            name: "ShardedEcho", dependencies: ["Sharding", "Support", uring, system, argumentParser], swiftSettings: strict),
        .executableTarget(name: "UDPRelay", dependencies: ["Support", uring, system, argumentParser], swiftSettings: strict),
        .executableTarget(
            name: "Transmit", dependencies: ["Support", "CProcess", uring, system, argumentParser], swiftSettings: strict),
        .executableTarget(
            name: "Tunnel", dependencies: ["Support", "CProcess", "CTunnel", uring, system, argumentParser], swiftSettings: strict),
        // Servers and loops to compare with, and what Swift cannot ask Linux for without unsafe code.
        .target(name: "CEpoll", cSettings: [.define("_GNU_SOURCE")]),
        .target(name: "CEpollEcho", dependencies: ["CEpoll"], cSettings: [.define("_GNU_SOURCE")]),
        .target(
            name: "CFraming", dependencies: ["CEpoll"], cSettings: [.define("_GNU_SOURCE")], linkerSettings: [.linkedLibrary("uring")]),
        .target(name: "CPrograms", cSettings: [.define("_GNU_SOURCE")], linkerSettings: [.linkedLibrary("uring")]),
        .target(name: "CEventLoop", cSettings: [.define("_GNU_SOURCE")]),
        .target(
            name: "CPipeEngines", cSettings: [.define("_GNU_SOURCE")], linkerSettings: [.linkedLibrary("uring"), .linkedLibrary("dl")]),
        .target(name: "CProcess", cSettings: [.define("_GNU_SOURCE")]),
        .target(name: "CThread", linkerSettings: [.linkedLibrary("BlocksRuntime")]),
        .target(name: "CTunnel", cSettings: [.define("_GNU_SOURCE")], linkerSettings: [.linkedLibrary("uring")]),
        .testTarget(
            name: "CompletionProgramsTests", dependencies: ["CompletionPrograms", "CPrograms", "ExamplePrograms", uring, system],
            swiftSettings: strict),
        // Runs the programs as a person would.
        .target(name: "CNetworks", path: "Tests/CNetworks", cSettings: [.define("_GNU_SOURCE")]),
        .testTarget(name: "ProgramTests", dependencies: ["CNetworks", "Framing", "Support", uring, system], swiftSettings: strict),
        .testTarget(name: "EventLoopTests", dependencies: ["EventLoop", "CEventLoop", "CProcess", uring, system], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
