// SPDX-License-Identifier: Apache-2.0
// PLACEHOLDER: the README's first program goes here, word for word.

import URing

print("URing is imported")
