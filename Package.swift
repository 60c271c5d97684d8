// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// Every target is checked for memory safety, and a warning is an error.
///
/// SwiftPM drops the latter for packages that depend on this one.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// What the library itself needs from the compiler beyond the language mode; its users need neither.
let experimental: [SwiftSetting] = [
    .enableExperimentalFeature("Lifetimes"),
    .enableExperimentalFeature("SuppressedAssociatedTypes"),
]

let package = Package(
    name: "swift-uring",
    products: [
        .library(name: "URing", targets: ["URing"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0")
    ],
    targets: [
        .target(
            name: "CURing",
            cSettings: [.define("_GNU_SOURCE")],
            linkerSettings: [.linkedLibrary("uring")]
        ),
        .target(
            name: "URing",
            dependencies: [
                "CURing",
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict + experimental
        ),
        // The preparation functions of the installed liburing, behind names of our own: what the encoding tests compare with.
        .target(
            name: "CLiburingReference",
            path: "Tests/CLiburingReference",
            cSettings: [.define("_GNU_SOURCE")],
            linkerSettings: [.linkedLibrary("uring")]
        ),
        // What tests do that Swift cannot: fork, filter system calls, make eventfds.
        .target(
            name: "CTestSupport",
            path: "Tests/CTestSupport",
            cSettings: [.define("_GNU_SOURCE")]
        ),
        .testTarget(
            name: "URingTests",
            dependencies: ["URing", "CLiburingReference", "CTestSupport"],
            swiftSettings: strict + experimental
        ),
    ],
    swiftLanguageModes: [.v6]
)
