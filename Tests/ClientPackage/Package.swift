// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// What a careful user sets; experimental features are not among it.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

// Packages as users write them: one that uses the library without one `unsafe`, and one that brings operations of its own.
let package = Package(
    name: "client",
    dependencies: [
        .package(name: "swift-uring", path: "../.."),
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
    ],
    targets: [
        .executableTarget(
            name: "ReadmeProgram",
            dependencies: [.product(name: "URing", package: "swift-uring")],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "PoolProgram",
            dependencies: [.product(name: "URing", package: "swift-uring")],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "FileTableProgram",
            dependencies: [.product(name: "URing", package: "swift-uring")],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "MultishotProgram",
            dependencies: [.product(name: "URing", package: "swift-uring")],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "ThreadsProgram",
            dependencies: [.product(name: "URing", package: "swift-uring")],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "RawProgram",
            dependencies: [.product(name: "URing", package: "swift-uring")],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "OwnerProgram",
            dependencies: [.product(name: "URing", package: "swift-uring")],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "CustomOperation",
            dependencies: [
                .product(name: "URing", package: "swift-uring"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict
        ),
    ],
    swiftLanguageModes: [.v6]
)
