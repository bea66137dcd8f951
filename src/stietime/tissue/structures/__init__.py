"""Aggregates of lymphocytes, and niches shared between sections."""
