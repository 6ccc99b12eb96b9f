"""The study `inspection`: can a backdoored model be told from a clean one?"""
