// SPDX-License-Identifier: Apache-2.0

/// An operation that nobody needs to have back: ``Ring/prepareSkippingSuccess(_:)`` takes it.
///
/// It owns nothing, neither memory nor a hold on a file, and its success is no resource. Of its end nobody hears, so nothing could be
/// given back then.
///
/// - Important: A type that conforms promises that ``Operation/encode(into:kernelData:)`` puts no address into the entry, and that it
///   names a file only by a number that stays open.
public protocol SkippableOperation: SingleShotOperation, ~Copyable where KernelData == NoKernelData {}

extension Nop: SkippableOperation {}
extension Cancel: SkippableOperation {}
extension PollUpdate: SkippableOperation {}
