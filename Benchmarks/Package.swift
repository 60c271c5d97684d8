// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

// Compares URing with C, with swift-system's IORing, and with other ways to wait. A package of its own, so that no user of the library resolves
// what only the comparison needs.
let package = Package(
    name: "uring-benchmarks",
    products: [
        .executable(name: "uring-bench", targets: ["URingBench"])
    ],
    dependencies: [
        .package(name: "swift-uring", path: ".."),
        .package(name: "uring-examples", path: "../Examples"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
    ],
    targets: [
        .executableTarget(
            name: "URingBench",
            dependencies: [
                "CBaseline",
                .product(name: "URing", package: "swift-uring"),
                .product(name: "Support", package: "uring-examples"),
                .product(name: "Framing", package: "uring-examples"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict
        ),
        // The same loops on plain liburing. SwiftPM builds C for release with -O2. Its own header does not include liburing's, which excludes
        // swift-system's.
        .target(
            name: "CBaseline",
            cSettings: [.define("_GNU_SOURCE")],
            linkerSettings: [.linkedLibrary("uring")]
        ),
    ],
    swiftLanguageModes: [.v6]
)
