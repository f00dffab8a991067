"""AlexNet, Inception, CLIP, EfficientNet and SwAV as metrics, in their published dialects."""
